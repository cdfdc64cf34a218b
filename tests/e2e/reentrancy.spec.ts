// S60: calls that a user's functions may make from within every callback of the client.

import type * as api from "longhaul";
import { expect, quick, test } from "./support/fixtures.js";

const callbacks = [
  "message",
  "gap",
  "status",
  "deadletter",
  "onError",
  "token",
  "iterator",
  "acked",
] as const;
type Callback = (typeof callbacks)[number];

declare global {
  /**
   * Makes the client run every kind of callback, and acts within the first one of the named kind.
   */
  var scene: (
    url: string,
    callback: Callback,
    options: api.Options,
    act: (client: api.Client) => void,
  ) => { client: api.Client; events: string[]; errors: string[] };
}

test.use({ hubArgs: ["--retain-entries", "5"] });

test.beforeEach(async ({ hub, page }) => {
  // Gives a subscription from seq 1 a gap, and then a batch.
  await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    await longhaul.publishMany(client, "t", 1, 12, "before");
    await client.close();
  }, hub.url);
  await page.evaluate(() => {
    globalThis.scene = (url, callback, options, act) => {
      const events: string[] = [];
      const errors: string[] = [];
      let isDone = false;
      const at = (here: Callback, what: string): void => {
        events.push(what);
        if (here !== callback || isDone) return;
        isDone = true;
        act(client);
        events.push("acted");
      };
      const client = longhaul.connect(url, {
        ...options,
        token: async () => {
          at("token", "token");
          return "t";
        },
        onError: ({ code }) => {
          errors.push(code);
          at("onError", `error ${code}`);
        },
      });
      for (const listener of ["first", "second"]) {
        client.on("status", ({ state }) => at("status", `${listener} ${state}`));
        client.topic("t").subscribe(({ seq }) => at("message", `${listener} ${seq}`), {
          from: 1,
          onGap: ({ toSeq }) => at("gap", `${listener} gap ${toSeq}`),
        });
      }
      client.on("deadletter", ({ data }) => at("deadletter", `dead ${data}`));
      client.topic("t").subscribe(() => {
        if (callback === "onError" && !isDone) throw new Error("mine");
      });
      void (async () => {
        for await (const { seq } of client.topic("t").messages({ from: 1 }))
          at("iterator", `iterated ${seq}`);
        events.push("iteration over");
      })();
      const publish = async (data: unknown, options?: api.PublishOptions): Promise<void> => {
        const { acked } = await client.topic("t").publish(data, options);
        await acked;
        at("acked", "acked");
      };
      publish("short-lived", { ttlMs: 1 }).catch(() => {});
      publish("live").catch(() => {});
      return { client, events, errors };
    };
  });
});

/** The statuses that a listener received, in order. */
function statuses(events: readonly string[], listener: string): string[] {
  const own = events.filter((what) => new RegExp(`^${listener} [a-z]+$`).test(what));
  return own.map((what) => what.slice(listener.length + 1));
}

for (const callback of callbacks) {
  test(`s60: a user may publish, subscribe, unsubscribe and reconnect from ${callback}`, async ({
    hub,
    page,
  }) => {
    const { seen, events, errors } = await page.evaluate(
      async ([url, callback, quick]) => {
        const seen: unknown[] = [];
        let own = 0;
        const { client, events, errors } = scene(url, callback, quick, (client) => {
          void client.topic("own").publish(1);
          const stop = client.topic("own").subscribe(() => seen.push("left, and yet called"));
          const other = client.topic("own").subscribe(
            ({ data }) => {
              own++;
              seen.push(data);
            },
            { from: "start" },
          );
          stop();
          client.reconnect();
          void client.topic("own").publish(2);
          client.on("status", () => other)();
        });
        await new Promise<void>((resolve) => {
          const check = (): void => {
            const isAll = own === 2 && client.status.state === "connected";
            if (isAll && ["acted", "first 13", "second 13"].every((what) => events.includes(what))) resolve();
            else requestAnimationFrame(check);
          };
          check();
        });
        return { seen, events, errors };
      },
      [hub.url, callback, quick] as const,
    );
    expect(seen).toEqual([1, 2]);
    expect(errors).toEqual(callback === "onError" ? ["listener_threw"] : []);
    for (const listener of ["first", "second"]) {
      const mine = events.filter((what) => what.startsWith(listener) && /\d$/.test(what));
      expect(mine, "order is kept").toEqual(
        [`${listener} gap 7`, 8, 9, 10, 11, 12, 13].map((what) =>
          typeof what === "number" ? `${listener} ${what}` : what,
        ),
      );
    }
    expect(statuses(events, "second"), "both receive every status, in order").toEqual(
      statuses(events, "first"),
    );
  });

  test(`s60: after close() from ${callback} the client delivers nothing`, async ({ hub, page }) => {
    const { events, errors, status, late } = await page.evaluate(
      async ([url, callback, quick]) => {
        const late: unknown[] = [];
        const { client, events, errors } = scene(url, callback, quick, (client) => {
          void client.close();
          void client.close();
          client.reconnect();
          client
            .topic("t")
            .publish("late")
            .catch(({ code }) => late.push(code));
          client.topic("t").subscribe(() => {});
        });
        await longhaul.reaches(client, "closed");
        while (!events.includes("iteration over") || late.length < 1)
          await new Promise(requestAnimationFrame);
        // Messages on their way would have arrived by the time another client is served.
        const { client: other } = longhaul.open(url);
        await (await other.topic("t").publish("after")).acked;
        await other.close();
        return { events, errors, status: client.status, late };
      },
      [hub.url, callback, quick] as const,
    );
    expect(status).toMatchObject({ state: "closed" });
    expect(late).toEqual(["closed"]);
    // The client reports the late subscription to onError and does not throw.
    expect(errors).toEqual(callback === "onError" ? ["listener_threw", "closed"] : ["closed"]);
    const after = events.slice(events.indexOf("acted") + 1);
    // A value that a promise resolved with before belongs to its consumer.
    const allowed = /^(?:dead .*|acked|(?:first|second) (?:closed|connected|connecting)|iteration over)$/;
    const more = after.filter((what) => !allowed.test(what));
    expect(more.filter((what) => !what.startsWith("iterated"))).toEqual([]);
    expect(more.length).toBeLessThan(2);
    for (const listener of ["first", "second"]) {
      expect(statuses(events, listener).filter((state) => state === "closed")).toHaveLength(1);
      expect(statuses(events, listener).at(-1), "the last status").toBe("closed");
    }
  });
}

for (const transport of ["longpoll", "eventsource"] as const) {
  test(`f09 over ${transport} a listener may reconnect while more waits than one post holds`, async ({
    hub,
    page,
  }) => {
    const { errors, seqs, crashes } = await page.evaluate(
      async ([url, transport, quick]) => {
        const { client, errors } = longhaul.open(url, { ...quick, transports: [transport], outbox: false });
        const text = "x".repeat(1_000);
        const acks: Promise<api.Ack>[] = [];
        for (let i = 0; i < 100; i++) {
          acks.push(
            client
              .topic("rows")
              .publish({ i, text }, { ttlMs: 60_000 })
              .then(({ acked }) => acked),
          );
        }
        let isFirst = true;
        client.on("status", ({ state }) => {
          if (state !== "connected" || !isFirst) return;
          isFirst = false;
          client.reconnect();
        });
        const seqs = (await Promise.all(acks)).map(({ seq }) => seq);
        const { crashes } = client.metrics();
        await client.close();
        return { errors, seqs, crashes };
      },
      [hub.url, transport, quick] as const,
    );
    expect({ errors, crashes }).toEqual({ errors: [], crashes: 0 });
    expect(seqs).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });
}
