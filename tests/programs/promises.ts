// Checks the promises of README and docs/offline.md against a model's notes and logs, once all
// faults are over and every client had time to settle. It knows nothing of how the package works.

import {
  type ClientNote,
  type Log,
  type Model,
  messagesIn,
  never,
  type Publication,
  type Removal,
  type Subscription,
} from "./model.js";

/** Errors that report faults of the world. Errors of the package, as `client_crashed`, fail. */
const harmlessErrors = [
  "token_unavailable",
  "token_timeout",
  "reload_required",
  "outbox_name_taken",
  "storage_unavailable",
  "document_diverged",
  "wasm_load_failed",
  "busy",
];

/** The seq of each publication in each log that has it, by number and epoch. */
type Seqs = Map<number, Map<string, number>>;

/** The promises that did not hold. */
export function checkPromises(model: Model): string[] {
  return new Promises(model).check();
}

class Promises {
  readonly #model: Model;
  readonly #found: string[] = [];

  constructor(model: Model) {
    this.#model = model;
  }

  check(): string[] {
    const { clients, promised, publications, subscriptions } = this.#model;
    for (const client of clients.values()) this.#checkClient(client);
    for (const { what, client, codes, settled } of promised.values()) {
      if (client.isPageDead) continue;
      if (settled === undefined) this.#found.push(`${what} of ${client.name} never settled`);
      else if (settled !== "" && !codes.includes(settled))
        this.#found.push(`${what} of ${client.name} refused: ${settled}`);
    }
    const seqs = this.#seqs();
    for (const each of publications.values()) this.#checkPublication(each, seqs);
    this.#checkOrder(seqs);
    for (const each of subscriptions.values()) this.#checkSubscription(each);
    return this.#found;
  }

  #checkClient(client: ClientNote): void {
    for (const { code, message } of client.errors) {
      if (code === null) this.#found.push(`${client.name}: an error without code: ${message}`);
      else if (!harmlessErrors.includes(code)) this.#found.push(`${client.name}: ${code}: ${message}`);
    }
    if (client.lastState === "closed" && !client.isClosed)
      this.#found.push(`${client.name} closed by itself`);
  }

  /** Looks up each payload in the logs. A log has each of them at most once. */
  #seqs(): Seqs {
    const seqs: Seqs = new Map();
    for (const [topic, logs] of this.#model.logs) {
      for (const { epoch, firstSeq, entries } of logs) {
        entries.forEach((data, i) => {
          const no = numberOf(data);
          if (no === undefined) return;
          const of = seqs.get(no) ?? new Map<string, number>();
          seqs.set(no, of);
          if (of.has(epoch))
            this.#found.push(`publication ${no} is in ${topic} twice: ${of.get(epoch)} and ${firstSeq + i}`);
          of.set(epoch, firstSeq + i);
        });
      }
    }
    return seqs;
  }

  #checkPublication(each: Publication, seqs: Seqs): void {
    const { no, client, receipt, rejected, ack, dead } = each;
    const found = seqs.get(no);
    const fault = (text: string): void => {
      this.#found.push(`publication ${no} of ${client.name} to ${each.topic}: ${text}`);
    };
    if (rejected !== undefined) {
      if (!this.#mayReject(each, rejected)) fault(`publish rejected with ${rejected}`);
      if (!["closed", "outcome_unknown"].includes(rejected) && found !== undefined)
        fault(`publish rejected with ${rejected}, and the hub has it`);
      return;
    }
    if (receipt === undefined) {
      if (!client.isPageDead) fault("publish never settled");
      return;
    }
    if (!receipt.durable && client.profile !== undefined && !this.#model.unsteady.has(client.profile))
      fault("is not durable, although its storage worked");
    if (ack !== undefined) {
      this.#checkAck(each, fault);
      return;
    }
    if (dead !== undefined) {
      if (!this.#mayDie(each, dead)) fault(`dead: ${dead}`);
      if (dead === "expired" && this.#isAccepted(each, found) && !this.#model.retried.has(receipt.id))
        fault("expired, and the hub has it");
      if (dead !== "closed" || !receipt.durable) return;
    }
    if (dead === undefined && !client.isPageDead && !client.isClosed) {
      fault("its receipt never settled");
      return;
    }
    // Its page is gone, so a later page has sent it.
    const mayBeBeyond = this.#model.logs.get(each.topic)?.some(({ isCut }) => isCut) ?? false;
    const isLost = found === undefined && !each.isDocument && !mayBeBeyond;
    if (isLost && receipt.durable && !this.#mayBeGone(each))
      fault("has disappeared: durable, and not in the log");
  }

  /**
   * Whether a log has it whose hub can have said no. An earlier hub may have accepted it, and its
   * ack may have been lost with that hub.
   */
  #isAccepted({ topic, receipt, deadAt }: Publication, found: Map<string, number> | undefined): boolean {
    const { deadLetters, logs } = this.#model;
    const reportedAt = Math.min(deadAt ?? never, deadLetters.get(receipt?.id ?? "") ?? never);
    return (logs.get(topic) ?? []).some(
      ({ epoch, lostAt }) => found?.has(epoch) && (lostAt ?? never) > reportedAt,
    );
  }

  #checkAck({ no, ack, topic, key, isDocument, client }: Publication, fault: (text: string) => void): void {
    if (ack === undefined || isDocument) return;
    const log = this.#model.logs.get(topic)?.find(({ epoch }) => epoch === ack.epoch);
    if (log === undefined) {
      fault(`acknowledged in the unknown log ${ack.epoch}`);
      return;
    }
    const found = numberOf(log.entries[ack.seq - log.firstSeq]);
    if (found === no || isBeyond(log, ack.seq)) return;
    // A later publication with its key has replaced it.
    const other = found === undefined ? undefined : this.#model.publications.get(found);
    const isReplaced =
      key !== null && other?.key === key && other.client.profile === client.profile && other.no > no;
    if (!isReplaced) fault(`acknowledged as ${ack.seq}, where ${found === undefined ? "nothing" : found} is`);
  }

  /** A publication stands behind those that were safe before it was called, within one log. */
  #checkOrder(seqs: Seqs): void {
    const lanes = new Map<string, Publication[]>();
    for (const each of this.#model.publications.values()) {
      const { client, receipt, key, topic } = each;
      if (receipt === undefined || key !== null || this.#model.retried.has(receipt.id)) continue;
      const lane = receipt.durable ? `${client.profile}` : client.name;
      const name = `${lane} ${topic}`;
      lanes.set(name, [...(lanes.get(name) ?? []), each]);
    }
    for (const [name, lane] of lanes) {
      lane.forEach((later, i) => {
        for (const earlier of lane.slice(0, i)) {
          const isBefore = (earlier.resolvedAt ?? never) < later.calledAt || earlier.client === later.client;
          if (!isBefore || this.#isRemovedBetween(earlier, later)) continue;
          for (const [epoch, seq] of seqs.get(earlier.no) ?? []) {
            const behind = seqs.get(later.no)?.get(epoch);
            if (behind !== undefined && behind < seq)
              this.#found.push(
                `order in ${name}: ${later.no} is before ${earlier.no}, which was safe before it was called`,
              );
          }
        }
      });
    }
  }

  /**
   * Whether storage was removed after the first call: the later one then went to another outbox.
   */
  #isRemovedBetween(earlier: Publication, later: Publication): boolean {
    return this.#model.deletions.some(
      (deletion) =>
        deletion.from > earlier.calledAt &&
        deletion.from < (later.resolvedAt ?? never) &&
        reaches(deletion, earlier),
    );
  }

  #checkSubscription(each: Subscription): void {
    const { client, topic, from, received, continues } = each;
    const fault = (text: string): void => {
      this.#found.push(`${client.name} on ${topic} from ${from}: ${text}`);
    };
    let next: { epoch: string; seq: number } | undefined;
    const before = continues?.received.findLast(({ type }) => type === "message");
    if (before?.type === "message" && from === "live") next = { epoch: before.epoch, seq: before.seq + 1 };
    for (const event of received) {
      if (event.type === "gap") {
        if (next?.epoch === event.epoch || next === undefined)
          next = event.toSeq === null ? undefined : { epoch: event.epoch, seq: event.toSeq + 1 };
        continue;
      }
      const { epoch, seq, data } = event;
      const log = this.#model.logs.get(topic)?.find((log) => log.epoch === epoch);
      if (log === undefined) fault(`received ${seq} of the unknown log ${epoch}`);
      else if (
        !isBeyond(log, seq) &&
        JSON.stringify(log.entries[seq - log.firstSeq]) !== JSON.stringify(data)
      )
        fault(`received other data as ${seq}`);
      if (next === undefined && from === "start" && log !== undefined && seq !== log.firstSeq)
        fault(`received ${seq} first, where the log begins with ${log.firstSeq}, without a gap`);
      if (next !== undefined && next.epoch === epoch && seq !== next.seq)
        fault(`received ${seq} where ${next.seq} is next, without a gap`);
      if (
        next !== undefined &&
        next.epoch !== epoch &&
        !received.some((gap) => gap.type === "gap" && gap.epoch === next?.epoch)
      )
        fault(`moved from log ${next.epoch} to ${epoch}, without a gap`);
      next = { epoch, seq: seq + 1 };
    }
    this.#checkEnd(each, next, fault);
  }

  /**
   * A subscription that still runs has received all of the hub's log; `next` is what it expects.
   */
  #checkEnd(
    { client, isOver, nexts, received, topic }: Subscription,
    next: { epoch: string; seq: number } | undefined,
    fault: (text: string) => void,
  ): void {
    const log = this.#model.logs.get(topic)?.at(-1);
    if (isOver || client.isClosed || client.isPageDead || log === undefined) return;
    if (nexts !== undefined) {
      const count = messagesIn(received);
      if (count < Math.min(nexts, log.entries.length))
        fault(`an iteration gave ${count} of ${nexts} messages that the app asked for`);
      return;
    }
    const end = log.firstSeq + log.entries.length;
    if (next?.epoch === log.epoch && next.seq >= end) return;
    const last = next === undefined ? "nothing" : `${next.epoch}/${next.seq - 1}`;
    fault(`received up to ${last}, and the log ends with ${log.epoch}/${end - 1}`);
  }

  #mayReject(each: Publication, code: string): boolean {
    const { client, isAborted, isSound, isDocument } = each;
    switch (code) {
      case "wiped":
        // A wipe also ends what is published before it has resolved.
        return this.#isWiped(each);
      case "closed":
        return client.isClosed;
      case "AbortError":
        return isAborted;
      case "patch_failed":
        return isDocument && !isSound;
      case "storage_full":
        return client.profile !== undefined && this.#model.unsteady.has(client.profile);
      case "outcome_unknown":
        return this.#isDeleted(each);
      default:
        return false;
    }
  }

  #mayDie(each: Publication, code: string): boolean {
    const { client, ttlMs, receipt, isDocument, isSound } = each;
    switch (code) {
      case "closed":
        return client.isClosed;
      case "expired":
        return ttlMs !== null;
      case "discarded":
        return receipt !== undefined && this.#model.discarded.has(receipt.id);
      case "wiped":
        return this.#isWiped(each);
      case "outbox_lost":
      case "outcome_unknown":
        return this.#isDeleted(each) || this.#isWiped(each);
      case "patch_failed":
        return isDocument && !isSound;
      default:
        return false;
    }
  }

  #mayBeGone(each: Publication): boolean {
    const { receipt, ttlMs, key } = each;
    if (receipt === undefined || ttlMs !== null || key !== null) return true;
    return this.#model.discarded.has(receipt.id) || this.#isWiped(each) || this.#isDeleted(each);
  }

  #isWiped(each: Publication): boolean {
    return [...this.#model.wipes.values()].some((wipe) => reaches(wipe, each));
  }

  #isDeleted(each: Publication): boolean {
    return this.#model.deletions.some((deletion) => reaches(deletion, each));
  }
}

/** A removal ends what its storage or its client published before the removal was over. */
function reaches({ profile, client, to }: Removal, { client: publisher, calledAt }: Publication): boolean {
  const isSame = profile !== undefined ? publisher.profile === profile : publisher === client;
  return (isSame || publisher === client) && calledAt <= to;
}

/** Whether this seq lies behind the entries that were read of a log. */
function isBeyond({ isCut, firstSeq, entries }: Log, seq: number): boolean {
  return isCut === true && seq >= firstSeq + entries.length;
}

/** Every payload of a program carries its number. */
function numberOf(data: unknown): number | undefined {
  const no = (data as { no?: unknown } | null | undefined)?.no;
  return typeof no === "number" ? no : undefined;
}
