import { expect, test } from "vitest";
import { trial } from "./trial.js";

const json = { "content-type": "application/json" };

test("a back end's requests are answered as the hub answers them", async () => {
  const { clock } = await trial();
  const run = async (path: string, init?: RequestInit): Promise<Response> => {
    const answer = fetch(`https://hub.test${path}`, init);
    await clock.advance(80);
    return answer;
  };
  const published = await run("/v1/topics/a%2Fb", { method: "POST", headers: json, body: '{"n":1}' });
  expect(await published.json()).toMatchObject({ topic: "a/b", seq: 1, duplicate: false });
  const page = await run("/v1/topics/a/b?from=1&limit=10");
  expect(await page.json()).toMatchObject({ entries: [{ seq: 1, data: { n: 1 } }] });
  const patch = { "content-type": "application/merge-patch+json" };
  const merged = await run("/v1/topics/doc", { method: "PATCH", headers: patch, body: '{"x":1}' });
  const tag = merged.headers.get("etag") ?? "";
  expect(await (await run("/v1/topics/doc")).json()).toEqual({ x: 1 });
  expect((await run("/v1/topics/doc", { headers: { "if-none-match": tag } })).status).toBe(304);
  const stale = { ...patch, "if-match": '"0000000000000000-9"' };
  const refused = await run("/v1/topics/doc", { method: "PATCH", headers: stale, body: '{"x":2}' });
  expect([refused.status, (await refused.json()).code]).toEqual([412, "document_changed"]);
  expect(await (await run("/.well-known/longhaul")).json()).toMatchObject({ versions: ["longhaul.v1"] });
  expect((await run("/healthz")).status).toBe(200);
  expect((await run("/readyz")).status).toBe(200);
  expect((await run("/nothing")).status).toBe(404);
  expect((await run("/v1/publish")).status).toBe(405);
  const bad = await run("/v1/publish", { method: "POST", body: "x" });
  expect([bad.status, bad.headers.get("content-type")]).toEqual([415, "application/problem+json"]);
  expect(bad.url).toBe("https://hub.test/v1/publish");
});

test("a large answer streams, and an abort ends it for the hub as well", async () => {
  const { clock, hub, browser } = await trial();
  hub.publish("big", "x".repeat(60_000));
  browser.line.bytesPerSecond = 10_000;
  const abort = new AbortController();
  const answer = fetch("https://hub.test/v1/topics/big?from=1", { signal: abort.signal });
  await clock.advance(3_000);
  const reader = (await answer).body?.getReader();
  expect((await reader?.read())?.value?.length).toBe(16_384);
  const next = reader?.read();
  abort.abort(new Error("enough"));
  await expect(next).rejects.toThrow("enough");
  await clock.advance(100);
  expect(browser.line.open).toBe(0);
  await expect(fetch("https://hub.test/", { signal: abort.signal })).rejects.toThrow("enough");
});

test("an aborted large answer does not use the slow line any more", async () => {
  const { clock, hub, browser } = await trial();
  for (let i = 0; i < 5; i++) hub.publish("big", "x".repeat(60_000));
  browser.line.bytesPerSecond = 10_000;
  const abort = new AbortController();
  const left = fetch("https://hub.test/v1/topics/big?from=1", { signal: abort.signal });
  await clock.advance(3_000);
  await left;
  abort.abort();
  const next = fetch("https://hub.test/healthz");
  // Only the data that the hub's socket had taken is in flight, not all of the 30 s.
  await clock.advance(5_000);
  expect((await next).status).toBe(200);
});

test("a request that breaks fails as in a browser, and one to another address goes there", async () => {
  const { clock, browser } = await trial();
  const lost = fetch("https://hub.test/healthz");
  browser.line.cut();
  await expect(lost).rejects.toThrow(TypeError);
  browser.line.disconnect();
  const refused = fetch("https://hub.test/healthz").catch((error: unknown) => error);
  await clock.advance(1);
  expect(await refused).toBeInstanceOf(TypeError);
  expect(await (await fetch("data:text/plain,elsewhere")).text()).toBe("elsewhere");
});

test("a page of an origin that the hub does not serve is refused, and reads only answers for clients", async () => {
  const { clock, hub } = await trial({ origins: ["https://friend.test"] });
  const friend = hub.browser({ origin: "https://friend.test" });
  const stranger = hub.browser({ origin: "https://stranger.test" });
  const read = async (from: typeof friend, path: string, init?: RequestInit): Promise<number | string> => {
    const answer = from.fetch(`https://hub.test${path}`, init).then(
      ({ status }) => status,
      (error: unknown) => String(error),
    );
    await clock.advance(1);
    return answer;
  };
  expect(await read(friend, "/.well-known/longhaul")).toBe(200);
  expect(await read(stranger, "/.well-known/longhaul")).toBe("TypeError: Failed to fetch");
  expect(await read(stranger, "/v1/poll", { method: "POST", body: "" })).toBe(403);
  const closes: number[] = [];
  const socket = new stranger.WebSocket("wss://hub.test/v1/connect", "longhaul.v1");
  socket.onclose = ({ code }) => closes.push(code);
  await clock.advance(1);
  expect(closes).toEqual([4_503]);
});
