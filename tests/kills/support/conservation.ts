// Checks conservation, invariant I16: each accepted publication is in the hub's log once, dead with
// its reason, or still queued.

/** A message that the ledger told a page to publish. */
export interface Order {
  n: number;
  topic: string;
  /** The number of the browser's start. */
  run: number;
  tab: string;
}

export interface History {
  /**
   * All orders, in the order in which the ledger gave them out. A page publishes its own in this
   * order.
   */
  orders: readonly Order[];
  /** The orders whose receipts resolved as durable. */
  durable: readonly number[];
  /** The outcomes that the hub sent to the page. */
  acks: readonly { n: number; seq: number }[];
  dead: readonly number[];
  /** The contents of the outbox. */
  queued: readonly number[];
  /** The hub's log of each topic. */
  logs: Readonly<Record<string, readonly { seq: number; n: number }[]>>;
}

/** All violations in a history, in words; empty if there are none. */
export function faultsOf(history: History): string[] {
  const orders = new Map(history.orders.map((order) => [order.n, order]));
  const at = new Map<number, number>();
  const faults: string[] = [];
  for (const [topic, log] of Object.entries(history.logs)) {
    for (const [i, { seq, n }] of log.entries()) {
      if (seq !== i + 1) faults.push(`${topic}: entry ${i + 1} has seq ${seq}`);
      if (orders.get(n)?.topic !== topic)
        faults.push(`${topic}/${seq}: no page was told to publish ${n} here`);
      if (at.has(n)) faults.push(`${topic}/${seq}: ${n} is doubled, it is at ${at.get(n)} already`);
      at.set(n, seq);
    }
    faults.push(...orderFaults(topic, log, orders));
  }
  const queued = new Set(history.queued);
  const dead = new Set(history.dead);
  if (queued.size !== history.queued.length) faults.push("the outbox has a row twice");
  for (const n of queued)
    if (!orders.has(n)) faults.push(`no page was told to publish ${n}, which is queued`);
  for (const n of history.durable) {
    if (!at.has(n) && !queued.has(n) && !dead.has(n)) faults.push(`${describe(orders, n)} is lost`);
  }
  for (const n of dead) if (at.has(n)) faults.push(`${describe(orders, n)} is dead and in the log`);
  for (const { n, seq } of history.acks) {
    if (at.get(n) !== seq)
      faults.push(`${describe(orders, n)} was acknowledged at ${seq}, it is at ${at.get(n)}`);
  }
  faults.push(...outOfOrder(history, orders, at));
  return faults;
}

/** A tab's messages are in the order of its calls, and an earlier run's before a later run's. */
function orderFaults(
  topic: string,
  log: History["logs"][string],
  orders: ReadonlyMap<number, Order>,
): string[] {
  const faults: string[] = [];
  const lastOf = new Map<string, number>();
  let lastRun = 0;
  for (const { seq, n } of log) {
    const order = orders.get(n);
    if (order === undefined) continue;
    const tab = `${order.run}${order.tab}`;
    if (order.run < lastRun)
      faults.push(`${topic}/${seq}: ${n} of run ${order.run} comes after run ${lastRun}`);
    if (n < (lastOf.get(tab) ?? 0)) faults.push(`${topic}/${seq}: ${n} comes after ${lastOf.get(tab)}`);
    lastRun = Math.max(lastRun, order.run);
    lastOf.set(tab, n);
  }
  return faults;
}

/**
 * Queued rows that can't arrive in order any more, because the hub has a later one of the same tab.
 */
function outOfOrder(
  { queued, logs }: History,
  orders: ReadonlyMap<number, Order>,
  at: ReadonlyMap<number, number>,
): string[] {
  return queued.flatMap((n) => {
    const order = orders.get(n);
    if (order === undefined || at.has(n)) return [];
    const isLater = (other: Order | undefined) =>
      other !== undefined &&
      (other.run > order.run || (other.run === order.run && other.tab === order.tab && other.n > n));
    const later = logs[order.topic]?.find((entry) => isLater(orders.get(entry.n)));
    return later === undefined ? [] : [`${describe(orders, n)} is queued and stands behind ${later.n}`];
  });
}

function describe(orders: ReadonlyMap<number, Order>, n: number): string {
  const { topic, run, tab } = orders.get(n) ?? { topic: "no topic", run: 0, tab: "?" };
  return `${n} (${topic}, run ${run}, tab ${tab})`;
}
