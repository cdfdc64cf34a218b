// The servers: the real hub, the real Socket.IO server, and the part of Centrifugo's JSON protocol
// that a recovery needs.

import { Agent, createServer, request } from "node:http";
import { Server as SocketIo } from "socket.io";
import { WebSocketServer } from "ws";

/** Each starts a server. `publish` sends a payload, JSON as text, to all listeners of the topic. */
export function servers(Hub) {
  return {
    longhaul: () => startHub(Hub),
    "socket.io": startSocketIo,
    centrifuge: startCentrifugo,
  };
}

async function startHub(Hub) {
  // Enough for the missed messages and those of earlier rounds.
  const hub = await Hub.start(["--retain-entries", "2000"]);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const { port } = new URL(hub.url);
  return {
    port: Number(port),
    async publish(topic, payload) {
      await post(`${hub.url}/v1/topics/${topic}`, payload, agent);
    },
    async stop() {
      agent.destroy();
      await hub.kill();
    },
  };
}

function post(url, body, agent) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = request(url, { method: "POST", agent, headers }, (response) => {
      response.resume().on("end", () => {
        if (response.statusCode < 300) resolve();
        else reject(new Error(`the hub answered ${response.statusCode}`));
      });
    });
    sent.on("error", reject).end(body);
  });
}

async function startSocketIo() {
  const http = createServer();
  const io = new SocketIo(http, { connectionStateRecovery: {}, cors: { origin: "*" } });
  await listening(http);
  return {
    port: http.address().port,
    publish: async (topic, payload) => void io.emit(topic, JSON.parse(payload)),
    stop: () => io.close(),
  };
}

/**
 * One log for each channel. A subscription that recovers gets all after its offset in the answer,
 * as in Centrifugo.
 */
async function startCentrifugo() {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http });
  const logs = new Map();
  const epoch = "xkQz";
  const log = (channel) =>
    logs.get(channel) ?? logs.set(channel, { entries: [], sockets: new Set() }).get(channel);
  const entry = (payload, i) => `{"data":${payload},"offset":${i + 1}}`;
  const answer = (socket, { id, connect, subscribe }) => {
    if (connect) return [`{"id":${id},"connect":{"client":"bench","version":"6","ping":25,"pong":true}}`];
    if (!subscribe) return [];
    const { entries, sockets } = log(subscribe.channel);
    sockets.add(socket);
    const had = subscribe.recover ? (subscribe.offset ?? 0) : entries.length;
    const missed = entries.map(entry).slice(had).join(",");
    const recovery = subscribe.recover
      ? `,"recovered":true,"was_recovering":true,"publications":[${missed}]`
      : "";
    const position = `"recoverable":true,"positioned":true,"epoch":"${epoch}","offset":${subscribe.recover ? had : entries.length}`;
    return [`{"id":${id},"subscribe":{${position}${recovery}}}`];
  };
  sockets.on("connection", (socket) => {
    socket.on("message", (frame) => {
      const answers = String(frame)
        .split("\n")
        .flatMap((line) => answer(socket, JSON.parse(line)));
      if (answers.length > 0) socket.send(answers.join("\n"));
    });
    socket.on("close", () => {
      for (const { sockets } of logs.values()) sockets.delete(socket);
    });
  });
  await listening(http);
  return {
    port: http.address().port,
    async publish(channel, payload) {
      const { entries, sockets } = log(channel);
      entries.push(payload);
      const push = `{"push":{"channel":"${channel}","pub":${entry(payload, entries.length - 1)}}}`;
      for (const socket of sockets) socket.send(push);
    },
    stop() {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
    },
  };
}

function listening(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
