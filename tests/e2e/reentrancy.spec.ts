// S60: calls that a user's functions may make from within every callback of the client.

import type * as api from "longhaul";
import { expect, quick, test } from "./support/fixtures.js";

const places = ["message", "gap", "status", "deadletter", "onError", "token", "iterator", "acked"] as const;
type Place = (typeof places)[number];

declare global {
  /**
   * Makes the client run every kind of callback, and acts within the first one of the named kind.
   */
  var scene: (
    url: string,
    place: Place,
    options: api.Options,
    act: (client: api.Client) => void,
  ) => { client: api.Client; told: string[]; errors: string[] };
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
    globalThis.scene = (url, place, options, act) => {
      const told: string[] = [];
      const errors: string[] = [];
      let isDone = false;
      const at = (here: Place, what: string): void => {
        told.push(what);
        if (here !== place || isDone) return;
        isDone = true;
        act(client);
        told.push("acted");
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
      for (const who of ["first", "second"]) {
        client.on("status", ({ state }) => at("status", `${who} ${state}`));
        client.topic("t").subscribe(({ seq }) => at("message", `${who} ${seq}`), {
          from: 1,
          onGap: ({ toSeq }) => at("gap", `${who} gap ${toSeq}`),
        });
      }
      client.on("deadletter", ({ data }) => at("deadletter", `dead ${data}`));
      client.topic("t").subscribe(() => {
        if (place === "onError" && !isDone) throw new Error("mine");
      });
      void (async () => {
        for await (const { seq } of client.topic("t").messages({ from: 1 }))
          at("iterator", `iterated ${seq}`);
        told.push("iteration over");
      })();
      const publish = async (data: unknown, options?: api.PublishOptions): Promise<void> => {
        const { acked } = await client.topic("t").publish(data, options);
        await acked;
        at("acked", "acked");
      };
      publish("short-lived", { ttlMs: 1 }).catch(() => {});
      publish("live").catch(() => {});
      return { client, told, errors };
    };
  });
});

/** The statuses that a listener received, in order. */
function statuses(told: readonly string[], who: string): string[] {
  const own = told.filter((what) => new RegExp(`^${who} [a-z]+$`).test(what));
  return own.map((what) => what.slice(who.length + 1));
}

for (const place of places) {
  test(`s60: a user may publish, subscribe, unsubscribe and reconnect from ${place}`, async ({
    hub,
    page,
  }) => {
    const { seen, told, errors } = await page.evaluate(
      async ([url, place, quick]) => {
        const seen: unknown[] = [];
        let own = 0;
        const { client, told, errors } = scene(url, place, quick, (client) => {
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
          const look = (): void => {
            const isAll = own === 2 && client.status.state === "connected";
            if (isAll && ["acted", "first 13", "second 13"].every((what) => told.includes(what))) resolve();
            else requestAnimationFrame(look);
          };
          look();
        });
        return { seen, told, errors };
      },
      [hub.url, place, quick] as const,
    );
    expect(seen).toEqual([1, 2]);
    expect(errors).toEqual(place === "onError" ? ["listener_threw"] : []);
    for (const who of ["first", "second"]) {
      const mine = told.filter((what) => what.startsWith(who) && /\d$/.test(what));
      expect(mine, "order is kept").toEqual(
        [`${who} gap 7`, 8, 9, 10, 11, 12, 13].map((what) =>
          typeof what === "number" ? `${who} ${what}` : what,
        ),
      );
    }
    expect(statuses(told, "second"), "both hear of every status, in order").toEqual(statuses(told, "first"));
  });

  test(`s60: after close() from ${place} the client delivers nothing`, async ({ hub, page }) => {
    const { told, errors, status, late } = await page.evaluate(
      async ([url, place, quick]) => {
        const late: unknown[] = [];
        const { client, told, errors } = scene(url, place, quick, (client) => {
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
        while (!told.includes("iteration over") || late.length < 1) await new Promise(requestAnimationFrame);
        // Messages on their way would have arrived by the time another client is served.
        const { client: other } = longhaul.open(url);
        await (await other.topic("t").publish("after")).acked;
        await other.close();
        return { told, errors, status: client.status, late };
      },
      [hub.url, place, quick] as const,
    );
    expect(status).toMatchObject({ state: "closed" });
    expect(late).toEqual(["closed"]);
    // The client reports the late subscription to onError and does not throw.
    expect(errors).toEqual(place === "onError" ? ["listener_threw", "closed"] : ["closed"]);
    const after = told.slice(told.indexOf("acted") + 1);
    // A value that a promise resolved with before belongs to its consumer.
    const allowed = /^(?:dead .*|acked|(?:first|second) (?:closed|connected|connecting)|iteration over)$/;
    const more = after.filter((what) => !allowed.test(what));
    expect(more.filter((what) => !what.startsWith("iterated"))).toEqual([]);
    expect(more.length).toBeLessThan(2);
    for (const who of ["first", "second"]) {
      expect(statuses(told, who).filter((state) => state === "closed")).toHaveLength(1);
      expect(statuses(told, who).at(-1), "the last word").toBe("closed");
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
