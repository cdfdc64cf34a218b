// A closed client leaves nothing behind, whenever it is closed: no memory of a wasm, no open
// database, no channel.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CDPSession, Page } from "@playwright/test";
import type * as api from "longhaul";
import { watchInstances } from "./support/crash.js";
import { expect, quick, test } from "./support/fixtures.js";
import { devtools } from "./support/storage.js";

/** The rounds for each moment. By hand, LONGHAUL_ROUNDS=1250 makes 10,000 rounds in all. */
const rounds = Number(process.env["LONGHAUL_ROUNDS"] ?? 50);

/** How many objects of a class are alive in the page. */
async function alive(cdp: CDPSession, name: string): Promise<number> {
  const { result: prototype } = await cdp.send("Runtime.evaluate", { expression: `${name}.prototype` });
  const { objects } = await cdp.send("Runtime.queryObjects", { prototypeObjectId: prototype.objectId ?? "" });
  const { result: length } = await cdp.send("Runtime.callFunctionOn", {
    objectId: objects.objectId ?? "",
    functionDeclaration: "function () { return this.length; }",
    returnByValue: true,
  });
  await cdp.send("Runtime.releaseObject", { objectId: objects.objectId ?? "" });
  return length.value;
}

/** The classes that clients may leave objects of. */
async function left(cdp: CDPSession): Promise<Record<string, number>> {
  await cdp.send("HeapProfiler.collectGarbage");
  const classes = [
    "WebAssembly.Memory",
    "WebAssembly.Instance",
    "IDBDatabase",
    "BroadcastChannel",
    "WebSocket",
  ];
  const counts = await Promise.all(classes.map(async (name) => [name, await alive(cdp, name)] as const));
  const { jsEventListeners } = await cdp.send("Memory.getDOMCounters");
  return { ...Object.fromEntries(counts), jsEventListeners };
}

/** The moments at which a client is closed. */
const moments: Record<string, (client: api.Client) => unknown> = {
  "at once": () => {},
  "a microtask later": () => Promise.resolve(),
  "a task later": () => new Promise((resolve) => setTimeout(resolve)),
  "when it connects": (client) => new Promise((resolve) => client.on("status", resolve)),
  "when it is connected": (client) => longhaul.reaches(client, "connected"),
  "while it saves": async (client) => {
    await longhaul.reaches(client, "connected");
    void client
      .topic("t")
      .publish(1)
      .catch(() => {});
  },
  "when its row has a verdict": async (client) => (await client.topic("t").publish(1)).acked,
  "while it follows a document": async (client) => {
    const { signal } = globalThis.lasting;
    client.topic("t").subscribe(() => {}, { signal });
    const shown = new Promise((resolve) => client.document("d").subscribe(resolve, { signal }));
    await shown;
  },
};

declare global {
  /** Objects that live as long as the page. */
  var lasting: AbortController;
}

async function live(page: Page, url: string, moment: string, count: number): Promise<void> {
  await page.evaluate(
    async ([url, options, act, count]) => {
      const wait = new Function(`return (${act})`)() as (client: api.Client) => unknown;
      globalThis.lasting ??= new AbortController();
      for (let round = 0; round < count; round++) {
        const { client, errors } = longhaul.open(url, options);
        await wait(client);
        await client.close();
        if (errors.length > 0) throw new Error(`round ${round}: ${JSON.stringify(errors)}`);
      }
    },
    [url, quick, moment, count] as const,
  );
}

test("f04: a page opens and closes clients at every kind of moment, and they leave nothing", async ({
  hub,
  page,
}) => {
  test.setTimeout(120_000 + rounds * 1_000);
  const cdp = await devtools(page);
  for (const act of Object.values(moments)) await live(page, hub.url, String(act), 1);
  const before = await left(cdp);
  for (const [moment, act] of Object.entries(moments)) {
    await live(page, hub.url, String(act), rounds);
    await expect
      .poll(async () => {
        const now = await left(cdp);
        return Object.entries(now).filter(([name, count]) => count > (before[name] ?? 0) + 4);
      }, `closed ${moment}`)
      .toEqual([]);
    if (process.env["LONGHAUL_ROUNDS"] !== undefined) {
      const { usedSize } = await cdp.send("Runtime.getHeapUsage");
      console.log(`${rounds} clients closed ${moment}:`, await left(cdp), `heap ${usedSize} bytes`);
    }
  }
});

test("f04: closed clients that the page keeps have no memory of a wasm", async ({ hub, page }) => {
  const cdp = await devtools(page);
  const before = await left(cdp);
  const metrics = await page.evaluate(
    async ([url, options]) => {
      const kept: api.Client[] = [];
      Object.assign(globalThis, { kept });
      for (let round = 0; round < 20; round++) {
        const token = async (): Promise<string> => "e30.eyJzdWIiOiJhbm4ifQ.x";
        const { client } = longhaul.open(url, { ...options, subject: "ann", token });
        client.topic("t").subscribe(() => {});
        const document = client.document("d");
        await new Promise<void>((resolve) => document.subscribe(() => resolve()));
        await (await client.topic("t").publish(round)).acked;
        await client.close();
        kept.push(client);
      }
      return kept.map((client) => client.metrics().acks);
    },
    [hub.url, quick] as const,
  );
  expect(metrics).toEqual(Array(20).fill(1));
  await expect
    .poll(async () => (await left(cdp))["WebAssembly.Memory"])
    .toBeLessThan((before["WebAssembly.Memory"] ?? 0) + 3);
});

test("f04: nor if storage, which documents wait for, never opened", async ({ hub, page }) => {
  const cdp = await devtools(page);
  const memories = async (): Promise<number> => (await left(cdp))["WebAssembly.Memory"] ?? 0;
  const before = await memories();
  await page.evaluate(
    ([url, options]) => {
      Object.defineProperty(IDBFactory.prototype, "open", { value: () => new EventTarget() });
      const kept = Array.from({ length: 5 }, () => longhaul.open(url, options).client);
      for (const client of kept) client.document("d").subscribe(() => {});
      Object.assign(globalThis, { kept });
    },
    [hub.url, quick] as const,
  );
  // The client's instance and that of its documents.
  await expect.poll(memories).toBe(before + 10);
  await page.evaluate(() =>
    Promise.all((globalThis as unknown as { kept: api.Client[] }).kept.map((client) => client.close())),
  );
  await expect.poll(memories).toBeLessThan(before + 3);
});

test("f04: an instance that crashes during its creation leaves nothing", async ({ hub, page }) => {
  const cdp = await devtools(page);
  const before = await left(cdp);
  const crashed = await page.evaluate(
    async ([url, options]) => {
      const kept: api.Client[] = [];
      Object.assign(globalThis, { kept });
      const instantiate = WebAssembly.instantiate as unknown as (
        module: WebAssembly.Module,
        imports: WebAssembly.Imports,
      ) => Promise<WebAssembly.Instance>;
      let callsLeft = Number.POSITIVE_INFINITY;
      let crashed = 0;
      const corrupted = (call: (...args: unknown[]) => unknown) => {
        return (...args: unknown[]) => {
          if (--callsLeft !== 0) return call(...args);
          crashed++;
          throw new Error("corrupted");
        };
      };
      const corrupt = (imports: WebAssembly.ModuleImports): WebAssembly.ModuleImports =>
        Object.fromEntries(
          Object.entries(imports).map(([name, value]) => [
            name,
            typeof value === "function" ? corrupted(value as () => unknown) : value,
          ]),
        );
      WebAssembly.instantiate = ((module: WebAssembly.Module, imports: WebAssembly.Imports) =>
        instantiate(
          module,
          Object.fromEntries(Object.entries(imports).map(([name, its]) => [name, corrupt(its)])),
        )) as unknown as typeof WebAssembly.instantiate;
      for (let call = 1; call <= 60; call += 3) {
        callsLeft = call;
        const { client } = longhaul.open(url, options);
        await longhaul.reaches(client, "connected");
        await client.close();
        kept.push(client);
      }
      return crashed;
    },
    [hub.url, quick] as const,
  );
  expect(crashed).toBeGreaterThan(10);
  await expect
    .poll(async () => {
      const now = await left(cdp);
      return Object.entries(now).filter(([name, count]) => count > (before[name] ?? 0) + 4);
    })
    .toEqual([]);
});

test("f04: a crashed instance leaves no database open, so the database can be deleted", async ({
  hub,
  page,
}) => {
  await watchInstances(page);
  const outcome = await page.evaluate(
    async ([url, options]) => {
      const { client, errors } = longhaul.open(url, options);
      await (await client.topic("t").publish(1)).acked;
      crash.corrupt("core_start");
      while (errors.length < 1) {
        client.reconnect();
        await new Promise(requestAnimationFrame);
      }
      await (await client.topic("t").publish(2)).acked;
      await client.close();
      return new Promise((resolve) => {
        const request = indexedDB.deleteDatabase("longhaul");
        // The deletion may wait for the last transaction. It would wait forever for a database left
        // open.
        request.onsuccess = () => resolve("removed");
      });
    },
    [hub.url, quick] as const,
  );
  expect(outcome).toBe("removed");
});

const root = fileURLToPath(new URL("../..", import.meta.url));

for (const [having, globals] of [
  ["WebSocket and fetch", 'globalThis.WebSocket = (await import("ws")).default;'],
  ["fetch alone", ""],
  ["neither", "delete globalThis.fetch;"],
] as const) {
  test(`f04: a Node process with ${having} ends by itself after close, at any moment`, async ({ hub }) => {
    const script = `
      ${globals}
      const { readFile } = await import("node:fs/promises");
      const { connect } = await import("longhaul");
      const wasm = await readFile("js/dist/longhaul_bg.wasm");
      const waits = [
        async () => {},
        () => new Promise((resolve) => setTimeout(resolve)),
        (client) => client.topic("t").publish(1),
        (client) => new Promise((resolve) => client.on("status", resolve)),
        async (client) => ${having === "neither"} || (await client.topic("t").publish(1)).acked,
      ];
      for (const outbox of [undefined, false]) {
        for (const wait of waits) {
          const client = connect("${hub.url}", { wasm, outbox, onError() {}, runOnServer: true });
          await wait(client);
          await client.close();
        }
      }
      // A token function that hangs.
      const client = connect("${hub.url}", { wasm, token: () => new Promise(() => {}), runOnServer: true });
      await new Promise((resolve) => setTimeout(resolve, 50));
      await client.close();
      console.log("closed");`;
    // After the time limit it is killed, and this rejects.
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      cwd: root,
      timeout: 20_000,
    });
    expect(stdout).toBe("closed\n");
  });
}

test("f04: a Node process ends after close if the wasm can't be loaded", async () => {
  const script = `
    const { connect } = await import("longhaul");
    const client = connect("http://127.0.0.1:9", {
      wasm: "http://127.0.0.1:9/no.wasm",
      runOnServer: true,
    });
    await new Promise((resolve) => client.on("status", resolve));
    await client.close();
    console.log(client.status.state);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root,
    timeout: 20_000,
  });
  expect(stdout).toBe("closed\n");
});
