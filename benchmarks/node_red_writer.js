// What a Node-RED user would put behind a function node: rows joined into batches, by unnest or by COPY.
const { Pool } = require("pg");
const { from } = require("pg-copy-streams");

const BATCH = 5000;
const WAIT_MS = 200;
const POSTGRES_EPOCH_MS = 946684800000;
const INSERT =
  "insert into reading select to_timestamp(t / 1000), s, v, 0 " +
  "from unnest($1::float8[], $2::int4[], $3::float8[]) as row (t, s, v) on conflict do nothing";
const SIGNALS =
  "select site.key as site, machine.code, signal.key, signal.id from signal " +
  "join machine on machine.id = signal.machine_id join site on site.id = machine.site_id";

const pool = new Pool({ host: process.env.PEER_HOST, user: "postgres", database: process.env.PEER_DATABASE, max: 2 });
const ids = new Map();
let times = [], signals = [], values = [];
let writing = 0;

async function insert(t, s, v) {
  await pool.query({ name: "insert", text: INSERT, values: [t, s, v] });
}

async function copy(t, s, v) {
  const rows = Buffer.allocUnsafe(19 + t.length * 40 + 2);
  let at = rows.write("PGCOPY\n\xff\r\n\0", 0, "latin1");
  at = rows.writeInt32BE(0, at);
  at = rows.writeInt32BE(0, at);
  for (let i = 0; i < t.length; i++) {
    at = rows.writeInt16BE(4, at);
    at = rows.writeInt32BE(8, at);
    at = rows.writeBigInt64BE(BigInt(t[i] - POSTGRES_EPOCH_MS) * 1000n, at);
    at = rows.writeInt32BE(4, at);
    at = rows.writeInt32BE(s[i], at);
    at = rows.writeInt32BE(8, at);
    at = rows.writeDoubleBE(v[i], at);
    at = rows.writeInt32BE(2, at);
    at = rows.writeInt16BE(0, at);
  }
  rows.writeInt16BE(-1, at);
  const client = await pool.connect();
  try {
    const stream = client.query(from("COPY reading FROM STDIN BINARY"));
    await new Promise((resolve, reject) => {
      stream.on("error", reject);
      stream.on("finish", resolve);
      stream.end(rows);
    });
  } finally {
    client.release();
  }
}

const write = process.env.PEER_MODE === "copy" ? copy : insert;

function flush() {
  if (!times.length || writing >= 2) return;
  const t = times.splice(0, BATCH), s = signals.splice(0, BATCH), v = values.splice(0, BATCH);
  writing++;
  write(t, s, v)
    .catch((problem) => console.error("batch lost: " + problem.message))
    .finally(() => {
      writing--;
      if (times.length >= BATCH) flush();
    });
}

module.exports = {
  ready: pool.query(SIGNALS).then((found) => {
    for (const row of found.rows) ids.set(`ib/v1/${row.site}/${row.code}/readings/${row.key}`, row.id);
    console.log("writer ready");
  }),
  add(topic, content) {
    for (const key in content.values) {
      times.push(content.time);
      signals.push(ids.get(topic + "/" + key));
      values.push(content.values[key]);
    }
    if (times.length >= BATCH) flush();
  },
};
setInterval(flush, WAIT_MS);
