// Encodes payloads with the npm package sparkplug-payload: JSON lines in, base64 lines out.
// {"long": "-5"} stands for an integer that JSON cannot hold.
"use strict";
const readline = require("readline");
const Long = require("long");
const { get } = require("sparkplug-payload");

const codec = get("spBv1.0");
const revive = (_key, value) =>
  value && typeof value === "object" && typeof value.long === "string" ? Long.fromString(value.long) : value;

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const payload = JSON.parse(line, revive);
  console.log(Buffer.from(codec.encodePayload(payload)).toString("base64"));
});
