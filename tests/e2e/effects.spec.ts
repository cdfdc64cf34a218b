// Subscriptions of UI components: effects stop and start them within one task, and watch what is
// pending.

import type * as api from "longhaul";
import { expect, quick, test } from "./support/fixtures.js";

test("f01 a topic that is subscribed to after a document in the same task receives its messages", async ({
  hub,
  page,
}) => {
  const received = await page.evaluate(
    async ([url, options]) => {
      const received: unknown[] = [];
      const { client: other } = longhaul.open(url, options);
      await longhaul.publishMany(other, "b", 1, 3, "before");
      const { client } = longhaul.open(url, options);
      client.document("a").subscribe((value) => received.push(value));
      await new Promise<void>((resolve) => {
        client.topic<{ n: number }>("b").subscribe(
          ({ data }) => {
            received.push(data.n);
            if (data.n === 4) resolve();
          },
          { from: "start" },
        );
        void longhaul.publishMany(other, "b", 4, 1, "after");
      });
      while (!received.includes(null)) await new Promise(requestAnimationFrame);
      await Promise.all([client.close(), other.close()]);
      return received;
    },
    [hub.url, quick] as const,
  );
  expect(received.filter((what) => what !== null)).toEqual([1, 2, 3, 4]);
});

test("f12 a listener that stops and starts again in one task, many times, loses nothing", async ({
  hub,
  page,
}) => {
  const total = 400;
  const { seqs, gaps } = await page.evaluate(
    async ([url, options, total]) => {
      const { client } = longhaul.open(url, options);
      const { client: other } = longhaul.open(url, options);
      const seqs: number[] = [];
      const gaps: api.Gap[] = [];
      const topic = client.topic("t");
      const start = () => topic.subscribe(({ seq }) => seqs.push(seq), { onGap: (gap) => gaps.push(gap) });
      let stop = start();
      await longhaul.publishMany(other, "t", 1, 1, "first");
      while (seqs.length === 0) {
        await longhaul.publishMany(other, "t", 1, 1, "first");
        await new Promise(requestAnimationFrame);
      }
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        stop();
        stop = start();
        channel.port2.postMessage(0);
      };
      channel.port2.postMessage(0);
      const acks = await longhaul.publishMany(other, "t", 2, total, "flood");
      const last = Math.max(...acks.map(({ seq }) => seq));
      // The last message may be among the lost ones.
      while (seqs.at(-1) !== last) {
        await new Promise(requestAnimationFrame);
        if ((seqs.at(-1) ?? 0) > last) break;
        if (seqs.at(-1) !== last) await longhaul.publishMany(other, "t", 0, 1, "end");
      }
      channel.port1.close();
      return { seqs, gaps };
    },
    [hub.url, quick, total] as const,
  );
  expect(seqs.length).toBeGreaterThan(total);
  expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) + i));
  expect(gaps).toEqual([]);
});

test("f12 an iteration that is left and begun again gets the messages that the first had not consumed", async ({
  hub,
  page,
}) => {
  const seqs = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const { client: other } = longhaul.open(url, options);
      const topic = client.topic("t");
      const seqs: number[] = [];
      const iterating = (async () => {
        while (seqs.length < 100) {
          for await (const { seq } of topic.messages()) {
            seqs.push(seq);
            break;
          }
        }
      })();
      await longhaul.reaches(client, "connected");
      let isOver = false;
      void iterating.then(() => {
        isOver = true;
      });
      while (!isOver) {
        await longhaul.publishMany(other, "t", 1, 50, "p");
        await new Promise(requestAnimationFrame);
      }
      return seqs;
    },
    [hub.url, quick] as const,
  );
  expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) + i));
});

test("f12 a document that is left and followed again in one task asks for nothing, and keeps showing own changes", async ({
  hub,
  page,
}) => {
  const records: string[] = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => {
      records.push(...String(payload).split("\n"));
    });
  });
  const shown = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const document = client.document<{ n: number }>("d");
      let stop = document.subscribe(() => {});
      while (document.seq < 0) await new Promise(requestAnimationFrame);
      stop();
      const change = document.merge({ n: 1 });
      stop = document.subscribe(() => {});
      await (await change).acked;
      const shown = document.value;
      stop();
      await new Promise((resolve) => setTimeout(resolve));
      await (await client.topic("end").publish(1)).acked;
      await client.close();
      return shown;
    },
    [hub.url, quick] as const,
  );
  expect(shown).toEqual({ n: 1 });
  const verbs = records.map((record) => record.split(" ")[0]);
  expect(verbs.filter((verb) => verb === "sub" || verb === "unsub")).toEqual(["sub", "unsub"]);
});

test("f12 a listener that starts again as passive leaves the stream as it is", async ({ hub, page }) => {
  const records: string[] = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => {
      records.push(...String(payload).split("\n"));
    });
  });
  await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const topic = client.topic("t");
      const stop = topic.subscribe(() => {});
      await longhaul.reaches(client, "connected");
      stop();
      const received = new Promise((resolve) => topic.subscribe(resolve, { passive: true }));
      await (await topic.publish(1)).acked;
      await received;
      await client.close();
    },
    [hub.url, quick] as const,
  );
  expect(records.filter((record) => /^(un)?sub /.test(record))).toHaveLength(1);
});

test("f19 an app can watch pending and confirmed, and the snapshot is the same object until a change", async ({
  hub,
  page,
}) => {
  const { seen, isSame, isStopped } = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const document = client.document<{ n: number }>("d");
      const seen: api.DocumentState<{ n: number }>[] = [document.state];
      const { onChange } = document;
      const isKept = (state: api.DocumentState<{ n: number }>): boolean => state === document.state;
      let isSame = isKept(document.state);
      const stop = onChange(() => {
        isSame &&= document.state !== seen.at(-1) && isKept(document.state);
        seen.push(document.state);
      });
      const reaches = async (isIt: (state: api.DocumentState<{ n: number }>) => boolean): Promise<void> => {
        while (!seen.some(isIt)) await new Promise(requestAnimationFrame);
      };
      await reaches(({ seq }) => seq === 0);
      const { acked } = await document.merge({ n: 1 });
      await reaches(({ pending }) => pending === 1);
      await acked;
      await reaches(({ seq, pending }) => seq === 1 && pending === 0);
      stop();
      const before = seen.length;
      await (await client.document("d").merge({ n: 2 })).acked;
      await client.close();
      return { seen, isSame, isStopped: before === seen.length };
    },
    [hub.url, quick] as const,
  );
  expect(seen[0]).toEqual({ pending: 0, seq: -1, value: undefined, confirmed: undefined, epoch: "" });
  const epoch = seen.at(-1)?.epoch;
  expect(epoch).toMatch(/^[0-9a-f]{16}$/);
  expect(seen).toContainEqual({ value: null, confirmed: null, pending: 0, seq: 0, epoch });
  expect(seen).toContainEqual({ value: { n: 1 }, confirmed: null, pending: 1, seq: 0, epoch });
  expect(seen.at(-1)).toEqual({ value: { n: 1 }, confirmed: { n: 1 }, pending: 0, seq: 1, epoch });
  expect(isSame).toBe(true);
  expect(isStopped).toBe(true);
});

test("f19 a listener that joins when a value is there is called with it once", async ({ hub, page }) => {
  const received = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const document = client.document<{ n: number }>("d");
      await new Promise<void>((resolve) => document.subscribe(() => resolve()));
      const received: unknown[] = [];
      document.subscribe((value) => received.push(["late", value]));
      document.subscribe((value) => received.push(["at", value]), { at: "/n" });
      received.push("subscribed");
      await (await document.merge({ n: 1 })).acked;
      await client.close();
      return received;
    },
    [hub.url, quick] as const,
  );
  const values = [
    ["late", null],
    ["at", null],
    ["late", { n: 1 }],
    ["at", { n: 1 }],
  ];
  expect(received).toEqual(["subscribed", ...values]);
});

test("f19 the outbox reports each change of its size", async ({ hub, page }) => {
  const { received, sizes } = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const received: number[] = [];
      const sizes: boolean[] = [];
      client.on("outbox", ({ size }) => {
        received.push(size);
        sizes.push(client.outbox.size === size);
      });
      await longhaul.reaches(client, "connected");
      const { acked } = await client.topic("t").publish(1);
      await acked;
      while (received.at(-1) !== 0) await new Promise(requestAnimationFrame);
      await client.close();
      return { received, sizes };
    },
    [hub.url, quick] as const,
  );
  // It also fires when a row that waited for the leader is sent.
  expect(received.filter((size, at) => size !== received[at - 1])).toEqual([1, 0]);
  expect(sizes).not.toContain(false);
});

test("f15 of several parallel calls of next each gets a message or the end", async ({ hub, page }) => {
  const results = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      await longhaul.publishMany(client, "t", 1, 3, "p");
      const iterator = client.topic<{ n: number }>("t").messages({ from: "start" })[Symbol.asyncIterator]();
      const calls = Array.from({ length: 5 }, () => iterator.next());
      await Promise.all(calls.slice(0, 3));
      await client.close();
      const results = await Promise.all(calls);
      return results.map(({ done, value }) => (done ? "end" : value.data.n));
    },
    [hub.url, quick] as const,
  );
  expect(results).toEqual([1, 2, 3, "end", "end"]);
});

test("f15 every way of publishing rejects values without a JSON form, with their code", async ({
  hub,
  page,
}) => {
  const codes = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const cycle: Record<string, unknown> = {};
      cycle["self"] = cycle;
      const throwing = {
        toJSON() {
          throw new Error("mine");
        },
      };
      const document = client.document("d");
      const codes: unknown[] = [];
      for (const data of [1n, { n: 1n }, cycle, throwing]) {
        const value = data as unknown;
        const calls = [
          document.merge(value),
          document.patch([{ op: "add", path: "/a", value }]),
          client.topic("t").publish(value),
        ];
        for (const call of calls)
          codes.push(
            await call.then(
              () => "taken",
              ({ code }) => code,
            ),
          );
      }
      await client.close();
      return codes;
    },
    [hub.url, quick] as const,
  );
  expect(codes).toEqual(Array.from({ length: 12 }, () => "data_not_json"));
});
