// Documents in real pages: following, changing, pending changes, repair. Also the public test suite
// in the browser's wasm.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as api from "longhaul";
import { watchInstances } from "./support/crash.js";
import { fakeHub } from "./support/fake-hub.js";
import { expect, quick, test } from "./support/fixtures.js";
import type { Hub } from "./support/hub.js";

/** A document in a page, with all values that its listeners received. */
interface Followed {
  document: api.Document<Board>;
  values: (Board | null | undefined)[];
  titles: (Board | null | undefined)[];
}
interface Board {
  title: string;
  cards: { [id: string]: { text: string } };
  order: string[];
}

declare global {
  var followed: Followed & { client: api.Client; errors: unknown[]; deadLetters: api.DeadLetter[] };
}

const board = { title: "Plan", cards: { a: { text: "one" }, b: { text: "two" } }, order: ["a", "b"] };

/** Changes a document as a back end does. */
async function change(hub: Hub, body: unknown, topic = "board"): Promise<void> {
  const type = Array.isArray(body) ? "application/json-patch+json" : "application/merge-patch+json";
  const response = await fetch(`${hub.url}/v1/topics/${topic}`, {
    method: "PATCH",
    headers: { "content-type": type },
    body: JSON.stringify(body),
  });
  expect(response.status, await response.text()).toBe(200);
}

/** Follows `board` and waits for its first value. */
async function follow({ url, options }: { url: string; options: api.Options }): Promise<unknown> {
  const { client, errors, deadLetters } = longhaul.open(url, options);
  const document = client.document<Board>("board");
  const values: Followed["values"] = [];
  const titles: Followed["titles"] = [];
  globalThis.followed = { client, document, values, titles, errors, deadLetters };
  document.subscribe((value) => titles.push(value), { at: "/title" });
  await new Promise<void>((resolve) => {
    document.subscribe((value) => {
      values.push(value);
      resolve();
    });
  });
  return document.value;
}

test("a page gets the value and then every change, keeps unchanged parts, and reads single places", async ({
  hub,
  page,
}) => {
  await change(hub, board);
  expect(await page.evaluate(follow, { url: hub.url, options: quick })).toEqual(board);
  await change(hub, [
    { op: "replace", path: "/cards/a/text", value: "changed" },
    { op: "add", path: "/order/0", value: "c" },
  ]);
  const result = await page.evaluate(async () => {
    const { document, values, titles } = followed;
    while (values.length < 2) await new Promise(requestAnimationFrame);
    const [before, now] = values;
    return {
      value: document.value,
      isSame: document.value === now,
      isShared: before?.cards["b"] === now?.cards["b"],
      isOld: before?.cards["a"]?.text === "one" && before !== now,
      place: [document.at("/cards/a/text"), document.at("/missing"), document.at("")],
      titles: titles.length,
      calls: values.length,
      seq: document.seq,
    };
  });
  const value = { ...board, cards: { a: { text: "changed" }, b: { text: "two" } }, order: ["c", "a", "b"] };
  expect(result).toEqual({
    value,
    isSame: true,
    isShared: true,
    isOld: true,
    place: ["changed", undefined, value],
    titles: 1,
    calls: 2,
    seq: 2,
  });
  await change(hub, { title: "New" });
  await page.waitForFunction(() => followed.titles.length === 2);
  expect(await page.evaluate(() => followed.document.value?.title)).toBe("New");
});

test("own changes show at once, are confirmed, and reach another page", { tag: "@plain" }, async ({
  hub,
  page,
  newPage,
}) => {
  await change(hub, board);
  const other = await newPage();
  for (const each of [page, other]) await each.evaluate(follow, { url: hub.url, options: quick });
  const atOnce = await page.evaluate(async () => {
    const { document } = followed;
    const call = document.patch([{ op: "add", path: "/cards/c", value: { text: "mine" } }]);
    await call;
    const shown = { value: document.value?.cards["c"], pending: document.pending };
    const confirmed = document.confirmed?.cards["c"];
    const merged = await document.merge({ order: ["c"] });
    const ack = await merged.acked;
    return { shown, confirmed, ack: ack.seq };
  });
  expect(atOnce).toEqual({ shown: { value: { text: "mine" }, pending: 1 }, ack: 3 });
  const expected = { ...board, cards: { ...board.cards, c: { text: "mine" } }, order: ["c"] };
  for (const each of [page, other]) {
    await each.waitForFunction(() => followed.document.seq === 3);
    const state = await each.evaluate(() => {
      const { document, errors } = followed;
      return [document.value, document.confirmed, document.pending, errors];
    });
    expect(state).toEqual([expected, expected, 0, []]);
  }
});

test("a change that does not apply rejects at the call, or is a dead letter if only the hub can tell", async ({
  hub,
  page,
}) => {
  await change(hub, board);
  await page.evaluate(follow, { url: hub.url, options: quick });
  const result = await page.evaluate(async () => {
    const { client, document, deadLetters } = followed;
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => undefined,
        (error: api.LonghaulError) => error.code,
      );
    const wrong = [{ op: "test", path: "/title", value: "Other" } as const];
    const codes = [
      await codeOf(document.patch(wrong)),
      await codeOf(document.merge(JSON.parse('{"__proto__":{"polluted":true}}'))),
      await codeOf(document.patch([{ op: "remove", path: "title" }])),
      await codeOf(document.patch([], { key: "k" })),
    ];
    // Nobody follows this document, so the client does not know its value.
    const blind = client.document("other");
    const receipt = await blind.patch([{ op: "remove", path: "/missing" }]);
    codes.push(await codeOf(receipt.acked));
    return {
      codes,
      deadLetter: deadLetters[0]?.reason.code,
      value: document.value?.title,
      pending: document.pending,
    };
  });
  expect(result).toEqual({
    codes: ["patch_failed", "key_forbidden", "patch_invalid", "option_invalid", "patch_failed"],
    deadLetter: "patch_failed",
    value: "Plan",
    pending: 0,
  });
});

test("a document continues after a reconnect, and with the new hub's value after a lost hub", {
  tag: "@plain",
}, async ({ hub, page }) => {
  await change(hub, board);
  await page.evaluate(follow, { url: hub.url, options: quick });
  await page.evaluate(async () => {
    const { client } = followed;
    const connects = client.metrics().connects;
    client.reconnect();
    while (client.metrics().connects === connects) await new Promise(requestAnimationFrame);
  });
  await change(hub, { title: "After" });
  await page.waitForFunction(() => followed.document.value?.title === "After");
  await hub.kill();
  await hub.restart();
  await change(hub, { title: "Reborn" });
  await page.waitForFunction(() => followed.document.value?.title === "Reborn");
  const state = await page.evaluate(() => [followed.document.value, followed.document.seq, followed.errors]);
  expect(state).toEqual([{ title: "Reborn" }, 1, []]);
});

test("only pages that have documents load their code", async ({ hub, page }) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.evaluate(async (url) => longhaul.reaches(longhaul.open(url).client, "connected"), hub.url);
  expect(loaded.some((path) => path.includes("documents"))).toBe(false);
  await page.evaluate(follow, { url: hub.url, options: quick });
  expect(loaded.filter((path) => path.includes("documents"))).toEqual([
    "/longhaul/documents.js",
    "/longhaul/longhaul_documents_bg.wasm",
  ]);
});

/** WebSocket only, so the test controls all that happens. */
const sockets: api.Options = { ...quick, transports: ["websocket"] };

test("d8: the next checkpoint of the hub repairs a document that was damaged silently", async ({
  hub,
  page,
}) => {
  await watchInstances(page);
  await change(hub, board);
  await page.evaluate(follow, { url: hub.url, options: sockets });
  const damaged = await page.evaluate(async () => {
    // Entry 2 is replaced by one that the hub does not have.
    const data = 'patch 1 2 0 0 - [{"op":"replace","path":"/title","value":"Damaged"}]';
    crash.sockets()[0]?.dispatchEvent(new MessageEvent("message", { data }));
    while (followed.document.value?.title !== "Damaged") await new Promise(requestAnimationFrame);
    return followed.errors;
  });
  expect(damaged).toEqual([]);
  // Entries up to the next checkpoint; none of them repairs the title.
  for (let n = 2; n <= 102; n++) await change(hub, { cards: { a: { text: String(n) } } });
  await page.waitForFunction(
    () => followed.document.value?.title === "Plan" && followed.document.seq === 102,
  );
  const healed = await page.evaluate(() => [followed.document.value, followed.document.seq, followed.errors]);
  expect(healed).toMatchObject([
    { ...board, cards: { ...board.cards, a: { text: "102" } } },
    102,
    [{ code: "document_diverged" }],
  ]);
});

test("d8: the client asks for an unreadable snapshot again at once, then after a pause", async ({ page }) => {
  const askedAtMs: number[] = [];
  const peer = await fakeHub((socket) => {
    socket.send("welcome s1 1763779200000");
    socket.on("message", (frame) => {
      for (const record of String(frame).split("\n")) {
        if (!record.startsWith("sub 1 ")) continue;
        askedAtMs.push(performance.now());
        socket.send("subscribed 1 00c0ffee00c0ffee 5 0 5\nsnapshot 1 5 5 0 {broken");
      }
    });
  });
  await page.evaluate(
    async ([url, options]) => {
      const { client, errors } = longhaul.open(url, options);
      client.document("board").subscribe(() => {});
      while (errors.length < 3) await new Promise(requestAnimationFrame);
      await client.close();
    },
    [peer.url, sockets] as const,
  );
  peer.close();
  expect(askedAtMs).toHaveLength(3);
  const [, second = 0, third = 0] = askedAtMs;
  expect(third - second).toBeGreaterThan(900);
});

test("the documents' wasm loads from the address in the options, and the client reports a failed load", async ({
  hub,
  page,
}) => {
  const loaded: string[] = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    loaded.push(pathname + search);
  });
  await change(hub, board);
  const failed = await page.evaluate(
    async ([url, options]) => {
      const { client, errors } = longhaul.open(url, { ...options, documentsWasm: "/no-such.wasm" });
      client.document("board").subscribe(() => {});
      while (errors.length === 0) await new Promise(requestAnimationFrame);
      await client.close();
      return errors.map(({ code }) => code);
    },
    [hub.url, quick] as const,
  );
  expect(failed).toEqual(["reload_required"]);
  const documentsWasm = "/longhaul/longhaul_documents_bg.wasm?from=elsewhere";
  const value = await page.evaluate(follow, { url: hub.url, options: { ...quick, documentsWasm } });
  expect(value).toEqual(board);
  expect(loaded.filter((path) => path.includes(".wasm"))).toEqual([
    "/longhaul/longhaul_bg.wasm",
    "/no-such.wasm",
    "/no-such.wasm",
    "/no-such.wasm",
    documentsWasm,
  ]);
});

interface Vector {
  comment?: string;
  doc: unknown;
  patch: unknown;
  expected?: unknown;
  error?: string;
}

/**
 * Leaves out the numbers that this test would round, as it is JavaScript. Rust reads them from the
 * same files.
 */
const load = (path: string): Vector[] =>
  JSON.parse(readFileSync(path, "utf8")).filter(
    ({ comment }: Vector) => !/^(large whole numbers|numbers beyond)/.test(comment ?? ""),
  );
const suite = createRequire(import.meta.url).resolve("json-patch-test-suite/tests.json");
const ours = (name: string) => new URL(`../fixtures/${name}`, import.meta.url).pathname;

for (const { name, kind, vectors } of [
  {
    name: "the public test suite of RFC 6902",
    kind: "patch",
    // Of two `op` members JavaScript reads the last one.
    vectors: [...load(suite), ...load(suite.replace("tests.json", "spec_tests.json"))].filter(
      ({ comment }) => comment !== "duplicate ops",
    ),
  },
  { name: "our patches for RFC 6902", kind: "patch", vectors: load(ours("patches.json")) },
  { name: "our merges and those of RFC 7396", kind: "merge", vectors: load(ours("merges.json")) },
]) {
  test(`in the browser: ${name}`, async ({ page }) => {
    const outcomes = await page.evaluate(
      async ({ vectors, kind }) => {
        const path = "/longhaul/documents.js";
        const { makeCores } = await import(path);
        const wasm = await WebAssembly.compileStreaming(fetch("/longhaul/longhaul_documents_bg.wasm"));
        const make = await makeCores(wasm);
        return vectors.map(({ doc, patch }) => {
          const core = make("p");
          core.snapshot("0000000000000001", 1, 0, 0, doc);
          const step = core.changes(`${kind} 1 2 0 0 - ${patch}`);
          return { step, value: core.confirmed() };
        });
      },
      {
        kind,
        vectors: vectors.map(({ doc, patch }) => ({
          doc: JSON.stringify(doc),
          patch: JSON.stringify(patch),
        })),
      },
    );
    expect(outcomes.length).toBeGreaterThan(19);
    for (const [index, { comment, doc, patch, expected, error }] of vectors.entries()) {
      const { step, value } = outcomes[index] ?? {};
      const label = `${comment} ${JSON.stringify(patch)}`;
      expect(step, label).toBe(error === undefined ? 1 : 3);
      if (error !== undefined) expect(JSON.parse(value), label).toEqual(doc);
      else if (expected !== undefined) expect(JSON.parse(value), label).toEqual(expected);
    }
  });
}
