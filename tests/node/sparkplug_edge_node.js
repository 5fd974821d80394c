// A real edge node: the npm package sparkplug-client, told what to do by JSON lines on its standard input.
//   {"do": "births", "births": {"node": payload, "devices": {id: payload}}}   what it is born with, from now on
//   {"do": "ndata" | "ddata" | "dbirth" | "ddeath", "device": id, "payload": payload, "options": {...}}
//   {"do": "lose"}   counts a message that is never sent;  {"do": "raw", "topic": ..., "base64": ...}
//   {"do": "stop"}   leaves with a death certificate
// It says {"said": "connected" | "born" | "commanded" | "done", ...} on its standard output, a line each.
"use strict";
const readline = require("readline");
const { newClient } = require("sparkplug-client");

const [serverUrl, groupId, edgeNode, firstBirths] = process.argv.slice(2);
const say = (said, more) => console.log(JSON.stringify({ said, ...more }));
const copy = (payload) => ({ timestamp: Date.now(), ...JSON.parse(JSON.stringify(payload)) });

let births = JSON.parse(firstBirths);
const client = newClient({
  serverUrl,
  groupId,
  edgeNode,
  username: "",
  password: "",
  clientId: `edge-${edgeNode}`,
  publishDeath: true,
});

function beBorn() {
  client.publishNodeBirth(copy(births.node));
  for (const [device, payload] of Object.entries(births.devices)) client.publishDeviceBirth(device, copy(payload));
  say("born");
}

const deeds = {
  births: (order) => (births = order.births),
  ndata: (order) => client.publishNodeData(copy(order.payload), order.options),
  ddata: (order) => client.publishDeviceData(order.device, copy(order.payload), order.options),
  dbirth: (order) => client.publishDeviceBirth(order.device, copy(order.payload), order.options),
  ddeath: (order) => client.publishDeviceDeath(order.device, copy(order.payload || {})),
  lose: () => client.incrementSeqNum(),
  raw: (order) => client.client.publish(order.topic, Buffer.from(order.base64, "base64"), { qos: 1 }),
  stop: () => client.stop(),
};

client.on("connect", () => say("connected"));
client.on("birth", beBorn);
client.on("ncmd", (payload) => {
  const asked = (payload.metrics || []).some((metric) => metric.name === "Node Control/Rebirth" && metric.value);
  say("commanded", { rebirth: asked });
  if (asked) beBorn();
});
client.on("error", (problem) => say("failed", { problem: String(problem) }));

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const order = JSON.parse(line);
    deeds[order.do](order);
    say("done", { do: order.do });
  })
  .on("close", () => process.exit(0));
