// The test's own record outside of the browser: pages ask here what to publish, and report the
// outcomes here.

import type { IncomingMessage } from "node:http";
import { serveSite } from "../../e2e/support/site.js";
import type { Order } from "./conservation.js";
import type { Random } from "./random.js";

/**
 * How many topics the orders use at random. Chosen: few, so that rows often wait for another row of
 * their topic.
 */
const topics = ["kills/a", "kills/b", "kills/c"];
/**
 * How many orders one answer has. Chosen: some calls overlap, and pages ask often enough for kills
 * at any point.
 */
const ordersMax = 6;

/** The orders of a page, and how many receipts and outcomes it needs before it asks again. */
interface Work {
  orders: { n: number; topic: string }[];
  until: "called" | "accepted" | "acked" | "flushed";
}
const waitsOffline: readonly Work["until"][] = ["called", "accepted"];
const waitsOnline: readonly Work["until"][] = ["called", "accepted", "acked", "acked"];

/** A report of a page. */
type Report =
  | { durable: boolean; deferred?: string; n: number }
  | { seq: number; n: number }
  | { failed: string; n?: number }
  | { flushed: true }
  | { dump: string };

export class Ledger {
  readonly orders: Order[] = [];
  readonly durable: number[] = [];
  /** The `deferred` of all receipts: the sender of rows that a page leaves behind. */
  readonly deferred = new Set<string>();
  readonly acks: { n: number; seq: number }[] = [];
  /** Rejected calls and errors of pages. The test expects none. */
  readonly failures: string[] = [];
  url = "";
  close = () => {};
  readonly #random: Random;
  #run = 0;
  #reports = 0;
  #isIdle = false;
  #isOffline = false;
  #waiting: { reports: number; resolve: () => void } | undefined;
  #dumped: (dump: string) => void = () => {};
  #flushed: () => void = () => {};

  private constructor(random: Random) {
    this.#random = random;
  }

  static async serve(random: Random): Promise<Ledger> {
    const ledger = new Ledger(random);
    const site = await serveSite("kills/page", (path, request, response) => {
      if (path === "/work") {
        const of = new URL(request.url ?? "/", "http://x").searchParams;
        response
          .writeHead(200, { "content-type": "application/json", "cache-control": "no-store" })
          .end(JSON.stringify(ledger.#work(Number(of.get("run")), of.get("tab") ?? "")));
        return true;
      }
      if (path !== "/report") return false;
      textOf(request).then(
        (text) => {
          ledger.#take(JSON.parse(text));
          response.writeHead(204).end();
        },
        () => {
          // The page was killed during its report.
        },
      );
      return true;
    });
    ledger.url = site.url;
    ledger.close = site.close;
    return ledger;
  }

  /**
   * Starts a run: orders are of this run from now on. If nothing can be acknowledged, pages do not
   * wait for acks.
   */
  begin(run: number, isOffline: boolean): void {
    this.#run = run;
    this.#isOffline = isOffline;
    this.#reports = 0;
    this.#isIdle = false;
    this.#waiting = undefined;
  }

  /** Resolves when pages have asked or reported this many times in the run. */
  async reaches(reports: number): Promise<void> {
    if (this.#reports >= reports) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { reports, resolve };
    });
  }

  /** Gives no more orders, and waits for a page's dump of the browser's databases. */
  dump(): Promise<string> {
    this.#isIdle = true;
    return new Promise((resolve) => {
      this.#dumped = resolve;
    });
  }

  /** Gives no more orders, and waits for a page whose outbox is empty. */
  flush(): Promise<void> {
    this.#isIdle = true;
    return new Promise((resolve) => {
      this.#flushed = resolve;
    });
  }

  #work(run: number, tab: string): Work {
    this.#report();
    // No page works on orders that a page of an earlier run asked for in its last moment.
    if (this.#isIdle || run !== this.#run) return { orders: [], until: "flushed" };
    const count = 1 + this.#random.below(ordersMax);
    const orders = Array.from({ length: count }, () => {
      const topic = topics[this.#random.below(topics.length)] ?? "";
      const order = { n: this.orders.length + 1, topic, run, tab };
      this.orders.push(order);
      return order;
    });
    const waits = this.#isOffline ? waitsOffline : waitsOnline;
    return { orders, until: waits[this.#random.below(waits.length)] ?? "called" };
  }

  #take(report: Report): void {
    this.#report();
    if ("dump" in report) this.#dumped(report.dump);
    else if ("flushed" in report) this.#flushed();
    else if ("failed" in report) this.failures.push(`${report.n ?? "page"}: ${report.failed}`);
    else if ("seq" in report) this.acks.push({ n: report.n, seq: report.seq });
    else if (report.durable) {
      this.durable.push(report.n);
      this.deferred.add(report.deferred ?? "nobody");
    } else this.failures.push(`${report.n}: the receipt is not durable`);
  }

  #report(): void {
    this.#reports++;
    if (this.#waiting === undefined || this.#reports < this.#waiting.reports) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  static get topics(): readonly string[] {
    return topics;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}
