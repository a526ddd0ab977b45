// The proxy that clients talk to. A tunnel to a storage host with which nothing is wrong goes straight to Azurite, here,
// in this process: a client library that keeps Python's lock while it waits for an answer would wait for ever if the
// answer had to pass through Python. Everything else is handed, as it came, to the proxy in Python.
const net = require("net");
const MAX_HEAD = 65536;
const through = new Map(); // host to the sockets of its open tunnels
let storage = 0;
let behind = 0;

const pipe = (client, port, head, greeting, sockets) => {
  const there = net.connect(port, "127.0.0.1");
  const end = () => {
    client.destroy();
    there.destroy();
    if (sockets) sockets.delete(client);
  };
  client.setNoDelay(true);
  there.setNoDelay(true);
  for (const socket of [client, there]) socket.on("error", end);
  client.on("close", end);
  there.on("close", () => {
    client.end();
    if (sockets) sockets.delete(client);
  });
  if (sockets) sockets.add(client);
  if (greeting) client.write(greeting);
  if (head.length) there.write(head);
  client.pipe(there);
  there.pipe(client);
  client.resume();
};

const route = (client, head, at) => {
  const asked = /^CONNECT \[?([^ \]]+?)\]?:\d+ /.exec(head.subarray(0, at).toString("latin1"));
  const host = asked ? asked[1].toLowerCase() : "";
  const sockets = through.get(host);
  if (!sockets) return pipe(client, behind, head, "", null);
  console.log(`to ${host}`);
  pipe(client, storage, head.subarray(at + 4), "HTTP/1.1 200 Connection established\r\n\r\n", sockets);
};

const accept = (client) => {
  let head = Buffer.alloc(0);
  const read = (chunk) => {
    head = Buffer.concat([head, chunk]);
    const at = head.indexOf("\r\n\r\n");
    if (at < 0 && head.length < MAX_HEAD) return;
    client.off("data", read);
    client.pause();
    if (at < 0) client.destroy();
    else route(client, head, at);
  };
  client.on("error", () => client.destroy());
  client.on("data", read);
};

exports.listen = (port, told) => {
  const server = net.createServer({ allowHalfOpen: true }, accept);
  server.listen({ port, host: "127.0.0.1", backlog: 512 }, () => told(server.address().port));
};

// `hosts` are all that go straight through from now on; the tunnels of others are cut, and with `cut` all of them.
exports.tell = (message) => {
  storage = message.storage;
  behind = message.behind;
  for (const [host, sockets] of through) {
    if (message.cut || !message.hosts.includes(host)) for (const socket of sockets) socket.destroy();
    if (!message.hosts.includes(host)) through.delete(host);
  }
  for (const host of message.hosts) if (!through.has(host)) through.set(host, new Set());
};
