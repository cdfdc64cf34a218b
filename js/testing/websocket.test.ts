import { expect, test } from "vitest";
import { trial } from "./trial.js";

test("a publication comes back over a WebSocket", async () => {
  const { clock, hub, connect } = await trial();
  const client = connect({ transports: ["websocket"] });
  const got: unknown[] = [];
  client.topic("a").subscribe(({ data }) => got.push(data));
  const receipt = client.topic("a").publish({ n: 1 });
  await clock.until(() => got.length > 0);
  expect(got).toEqual([{ n: 1 }]);
  expect(await (await receipt).acked).toMatchObject({ seq: 1, duplicate: false });
  expect(client.status).toMatchObject({ state: "connected", transport: "websocket" });
  expect(hub.connections).toBe(1);
  // Three round trips: the handshake, the hello, and the publication.
  expect(clock.elapsed()).toBe(240);
});

test("events come in later tasks, and a cut is an error and a close with 1006", async () => {
  const { clock, browser } = await trial();
  const socket = new WebSocket("wss://hub.test/v1/connect", "longhaul.v1");
  const heard: string[] = [];
  socket.onopen = () => heard.push(`open ${socket.readyState} ${socket.protocol}`);
  socket.onerror = () => heard.push(`error ${socket.readyState}`);
  socket.onclose = ({ code, wasClean }) => heard.push(`close ${socket.readyState} ${code} ${wasClean}`);
  expect(socket).toBeInstanceOf(WebSocket);
  expect(() => socket.send("x")).toThrow(DOMException);
  await clock.advance(80);
  browser.line.cut();
  expect(heard).toEqual(["open 1 longhaul.v1", "error 3", "close 3 1006 false"]);
});

test("a refusal of the hub arrives as its close code, and a page's close with its own", async () => {
  const { clock } = await trial();
  const closes: unknown[] = [];
  const open = (): WebSocket => {
    const socket = new WebSocket("wss://hub.test/v1/connect", ["longhaul.v1"]);
    socket.onclose = ({ code, reason, wasClean }) => closes.push([code, reason, wasClean]);
    return socket;
  };
  const bad = open();
  bad.onopen = () => bad.send("nonsense");
  const binary = open();
  binary.onopen = () => binary.send(new Uint8Array(3));
  const done = open();
  done.onopen = () => {
    done.close(3_001, "enough");
    expect(done.readyState).toBe(2);
  };
  await clock.advance(500);
  expect(closes).toHaveLength(3);
  expect(closes).toContainEqual([4_000, expect.stringMatching(/^bad_frame /), true]);
  expect(closes).toContainEqual([3_001, "enough", true]);
});

test("a blocked socket fails, hangs, or fires only error", async () => {
  const { clock, browser } = await trial();
  const heard: string[] = [];
  for (const kind of ["refused", "silent", "csp"] as const) {
    browser.line.block("websocket", kind);
    const socket = new WebSocket("wss://hub.test/v1/connect", "longhaul.v1");
    socket.onerror = () => heard.push(`${kind} error`);
    socket.onclose = ({ code }) => heard.push(`${kind} ${code}`);
  }
  await clock.advance(1_000_000);
  expect(heard.sort()).toEqual(["csp error", "refused 1006", "refused error"]);
  expect(() => new WebSocket("wss://hub.test/#x")).toThrow(DOMException);
  expect(() => new WebSocket("ftp://hub.test/")).toThrow(DOMException);
});
