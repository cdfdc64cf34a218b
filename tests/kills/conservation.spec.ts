// Tests the checker itself: it accepts each allowed history, and names each violation.

import { expect, test } from "@playwright/test";
import { faultsOf, type History, type Order } from "./support/conservation.js";

const order = (n: number, run: number, tab = "a", topic = "t"): Order => ({ n, topic, run, tab });
const log = (...ns: number[]) => ns.map((n, i) => ({ seq: i + 1, n }));

/** Two tabs in the first run, one in the second. 4 never became durable, 5 is queued, 6 is dead. */
const well: History = {
  orders: [order(1, 1), order(2, 1, "b"), order(3, 1), order(4, 1), order(5, 2), order(6, 2)],
  durable: [1, 2, 3, 5, 6],
  acks: [{ n: 1, seq: 2 }],
  dead: [6],
  queued: [5],
  logs: { t: log(2, 1, 3) },
};

test("i16: the checker accepts allowed histories", () => {
  expect(faultsOf(well)).toEqual([]);
  // The hub appended it and the ack was lost: it is queued until its verdict comes again.
  expect(faultsOf({ ...well, logs: { t: log(2, 1, 3, 5) } })).toEqual([]);
  // Stored and sent, and killed before the page could report the receipt.
  expect(faultsOf({ ...well, logs: { t: log(2, 1, 3, 4) } })).toEqual([]);
});

const wrongs: { name: string; history: Partial<History>; fault: RegExp }[] = [
  { name: "a loss", history: { logs: { t: log(2, 1) } }, fault: /^3 .* is lost$/ },
  { name: "a loss from the queue", history: { queued: [] }, fault: /^5 .* is lost$/ },
  { name: "a double", history: { logs: { t: log(2, 1, 3, 3) } }, fault: /3 is doubled/ },
  {
    name: "a double in another topic",
    history: { logs: { t: log(2, 1, 3), u: log(1) } },
    fault: /1 is doubled/,
  },
  {
    name: "another order of a tab",
    history: { acks: [], logs: { t: log(2, 3, 1) } },
    fault: /1 comes after 3/,
  },
  {
    name: "another order of the runs",
    history: { acks: [], logs: { t: log(5, 1, 2, 3) } },
    fault: /1 of run 1 comes after run 2/,
  },
  {
    name: "a row behind a later one",
    history: { logs: { t: log(2, 3) }, queued: [1, 5], acks: [] },
    fault: /1 .* stands behind 3/,
  },
  { name: "an invention", history: { logs: { t: log(2, 1, 3, 9) } }, fault: /no page was told to publish 9/ },
  { name: "an invention in the queue", history: { queued: [5, 9] }, fault: /no page was told to publish 9/ },
  { name: "a row that is twice in the queue", history: { queued: [5, 5] }, fault: /twice/ },
  { name: "a wrong ack", history: { acks: [{ n: 3, seq: 1 }] }, fault: /3 .* was acknowledged at 1/ },
  { name: "an ack of nothing", history: { acks: [{ n: 5, seq: 4 }] }, fault: /5 .* was acknowledged at 4/ },
  { name: "a dead letter that took effect", history: { dead: [3, 6] }, fault: /3 .* is dead and in the log/ },
  {
    name: "a hole",
    history: { logs: { t: [...log(2, 1), { seq: 4, n: 3 }] } },
    fault: /entry 3 has seq 4/,
  },
];

for (const { name, history, fault } of wrongs) {
  test(`i16: the checker finds ${name}`, () => {
    expect(faultsOf({ ...well, ...history }).filter((text) => fault.test(text))).toHaveLength(1);
  });
}
