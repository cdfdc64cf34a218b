import { expect, test } from "vitest";
import type { Message } from "../src/api.js";
import { trial } from "./trial.js";

const transports = ["websocket", "eventsource", "longpoll"] as const;

test.each(transports)("messages, documents and publications go both ways over %s", async (transport) => {
  const { clock, hub, connect } = await trial({ limits: { transports: [transport] } });
  const client = connect({ transports: [transport] });
  const got: Message<unknown>[] = [];
  client.topic("a").subscribe((message) => got.push(message), { from: "start" });
  const board = client.document<{ n: number }>("board");
  board.subscribe(() => {});
  hub.publish("a", "from behind", { key: "k1" });
  hub.merge("board", { n: 1 });
  await clock.until(() => board.value?.n === 1 && got.length === 1);
  const sent = client.topic("a").publish("from the page");
  board.patch([{ op: "replace", path: "/n", value: 2 }]);
  await clock.until(() => got.length === 2 && board.pending === 0);
  expect(client.status).toMatchObject({ state: "connected", transport });
  expect(got.map(({ seq, data, id }) => [seq, data, id])).toEqual([
    [1, "from behind", "k1"],
    [2, "from the page", (await sent).id],
  ]);
  expect(hub.document("board")).toEqual({ n: 2 });
  expect(hub.entries("a").map(({ data }) => data)).toEqual(["from behind", "from the page"]);
  expect(hub.metrics.sockets > 0).toBe(transport === "websocket");
  expect(hub.metrics.streams > 0).toBe(transport === "eventsource");
  expect(hub.metrics.polls > 0).toBe(transport === "longpoll");
});

test("with blocked sockets the client takes the next transport", async () => {
  const { clock, browser, connect } = await trial();
  browser.line.block("websocket", "silent");
  browser.line.block("eventsource", "silent");
  const client = connect();
  client.topic("a").subscribe(() => {});
  await clock.until(() => client.status.state === "connected");
  expect(client.status).toMatchObject({ transport: "longpoll" });
  browser.line.unblock();
  await clock.until(() => client.status.state === "connected" && client.status.transport === "websocket");
});

test("a token that the hub does not accept is refused over every transport", async () => {
  for (const transport of transports) {
    const { clock, hub, connect } = await trial({ accepts: (token) => token === "good" });
    const asked: string[] = [];
    let token = "bad";
    const client = connect({
      transports: [transport],
      token: (reason) => {
        asked.push(reason);
        return token;
      },
    });
    client.topic("a").subscribe(() => {});
    await clock.until(() => client.status.state === "unauthorized");
    expect(asked).toEqual(["initial", "rejected"]);
    token = "good";
    client.reconnect();
    await clock.until(() => client.status.state === "connected");
    await clock.until(() => hub.connections === 1);
  }
});
