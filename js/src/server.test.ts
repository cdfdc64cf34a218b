import { afterEach, expect, test, vi } from "vitest";
import { connect, type LonghaulError } from "./index.js";

const url = "http://hub.invalid";
const fetched = vi.fn(async () => new Response("no", { status: 503 }));

afterEach(() => {
  vi.unstubAllGlobals();
  fetched.mockClear();
});

/** What a call rejects with. */
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "resolved",
    ({ code }: LonghaulError) => code,
  );

test("on a server a client does nothing and says nothing, and its status is constant", async () => {
  vi.stubGlobal("fetch", fetched);
  const printed = vi.spyOn(console, "error");
  const onError = vi.fn();
  const client = connect(url, { onError });
  const before = client.status;
  const stop = client.topic("t").subscribe(() => {});
  const document = client.document("d");
  document.subscribe(() => {});
  document.onChange(() => {});
  expect(await codeOf(client.topic("t").publish(1))).toBe("not_on_server");
  expect(await codeOf(document.merge({ a: 1 }))).toBe("not_on_server");
  expect(await codeOf(client.outbox.rows())).toBe("not_on_server");
  stop();
  expect(client.status).toBe(before);
  expect(before).toEqual({ state: "connecting", attempt: 1, transport: "websocket" });
  expect(document.state).toMatchObject({ value: undefined, pending: 0, seq: -1 });
  expect([fetched, printed, onError].map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0]);
  await client.close();
  expect(client.status.state).toBe("closed");
});

test.each([
  ["the option runOnServer", { runOnServer: true }, {}],
  ["a page's document", {}, { document: {} }],
  ["a worker's scope", {}, { importScripts: () => {} }],
  ["the network of a test", {}, { longhaulNetwork: true }],
])("with %s a client works", async (_what, options, globals) => {
  for (const [name, value] of Object.entries({ fetch: fetched, ...globals })) vi.stubGlobal(name, value);
  const client = connect(url, { wasm: `${url}/a.wasm`, ...options });
  await vi.waitFor(() => expect(fetched).toHaveBeenCalled());
  await client.close();
});
