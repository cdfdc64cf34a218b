// The outbox on the page: rows, dead deadLetters with their reasons, and actions. The client has
// all state; this file keeps none.

import type { Client, DeadLetter, LonghaulError, OutboxRow, Receipt } from "longhaul";
import { byId, element, setText } from "./dom";
import { formatAge } from "./format";
import { isRecord } from "./host";

/** The time between two load queries. Other tabs and the service worker change the rows. */
const refreshMs = 500;
/** The panel shows so many entries, and counts the others. */
const shownMax = 50;
const textCharsMax = 80;
/** The second click that a wipe needs comes within this time. */
const askMs = 5_000;

const deferredWords = {
  "background-sync": "The service worker sends it if you close this tab.",
  "next-visit": "It goes out with your next visit if you close this tab.",
};
const stateWords: Record<OutboxRow["state"], string> = {
  queued: "waiting",
  sent: "sent, no answer yet",
  discarding: "discarded, leaves with the next connection",
};

export interface OutboxPanel {
  draw(nowMs: number): void;
  /** Shows who sends the rows if the tab closes. */
  sawReceipt(receipt: Receipt): void;
}

export function createOutbox(client: Client, onError: (text: string, code: string) => void): OutboxPanel {
  const { outbox } = client;
  const size = byId("outbox-size", HTMLElement);
  const hint = byId("outbox-hint", HTMLElement);
  const rowList = byId("outbox-rows", HTMLOListElement);
  const dead = byId("outbox-dead", HTMLElement);
  const deadLetterList = byId("outbox-letters", HTMLOListElement);
  const wipe = byId("outbox-wipe", HTMLButtonElement);
  let deferred: Receipt["deferred"];
  let wasWiped = false;
  let dueMs = 0;
  let isRefreshing = false;

  const act = async (doing: Promise<unknown>): Promise<void> => {
    try {
      await doing;
    } catch (error) {
      const { code, message } = error as LonghaulError;
      onError(`The outbox: ${message}`, code);
    }
    dueMs = 0;
  };

  const deadLetterEntry = (deadLetter: DeadLetter): HTMLLIElement => {
    const text = excerpt(deadLetter);
    const entry = rowEntry(deadLetter);
    const retry = small("Retry", text, () => void act(outbox.retry(deadLetter.id)));
    const discard = small("Discard", text, () => void act(outbox.discard(deadLetter.id)));
    const { code, message } = deadLetter.reason;
    entry.append(
      element("p", "row-reason", element("code", "", code), `: ${message}`),
      element("div", "row-acts", retry, discard),
    );
    return entry;
  };

  const refresh = async (): Promise<void> => {
    const [rows, deadLetters] = await Promise.all([outbox.rows(), outbox.deadLetters()]);
    const nowMs = Date.now();
    show(rowList, rows, (row) => {
      const entry = rowEntry(row);
      entry.append(element("p", "row-state"));
      return entry;
    });
    for (const [index, row] of rows.slice(0, shownMax).entries()) {
      const { state, attempts, createdAtMs } = row;
      const entry = rowList.children[index];
      const tries = attempts === 0 ? "" : `, ${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
      const line = entry?.querySelector(".row-state");
      if (line) setText(line, `${stateWords[state]}${tries}, ${formatAge(nowMs - createdAtMs)} old`);
    }
    // The newest first.
    show(deadLetterList, deadLetters.toReversed(), deadLetterEntry);
    dead.hidden = deadLetters.length === 0;
    setText(hint, hintOf(rows.length, deadLetters.length));
  };

  const hintOf = (rows: number, deadLetters: number): string => {
    if (rows > 0) {
      const more = rows > shownMax ? ` ${rows - shownMax} more are not shown.` : "";
      return (deferred === undefined ? "Kept until the hub answers." : deferredWords[deferred]) + more;
    }
    if (wasWiped) return "Nothing waits: you have wiped the outbox.";
    return deadLetters > 0 ? "Nothing waits." : "Nothing waits: the hub has everything that you wrote.";
  };

  const wipeWord = wipe.textContent ?? "";
  let asked: ReturnType<typeof setTimeout> | undefined;
  const stopAsking = (): void => {
    clearTimeout(asked);
    asked = undefined;
    setText(wipe, wipeWord);
  };
  wipe.addEventListener("click", () => {
    if (asked === undefined) {
      setText(wipe, "Delete all that waits?");
      asked = setTimeout(stopAsking, askMs);
      return;
    }
    stopAsking();
    wasWiped = true;
    void act(outbox.wipe());
  });
  byId("outbox-brief", HTMLButtonElement).addEventListener("click", () => {
    const note = { name: "Guest", text: "Only worth something within a second." };
    void act(client.topic("demo/board").publish(note, { ttlMs: 1000 }));
  });
  byId("outbox-refused", HTMLButtonElement).addEventListener("click", () => {
    // The page does not follow this document, so only the hub finds that the patch does not apply.
    const patch = [{ op: "test", path: "/never", value: "so" }] as const;
    void act(client.document("demo/refused").patch(patch));
  });
  client.on("deadletter", ({ topic, reason }) => {
    onError(`A publication to ${topic} won't take effect: ${reason.message}.`, reason.code);
    dueMs = 0;
  });

  return {
    draw(nowMs) {
      const waiting = String(outbox.size);
      if (size.textContent !== waiting) dueMs = 0;
      setText(size, waiting);
      size.dataset["waiting"] = String(outbox.size > 0);
      if (isRefreshing || nowMs < dueMs) return;
      dueMs = nowMs + refreshMs;
      isRefreshing = true;
      void refresh().finally(() => {
        isRefreshing = false;
      });
    },
    sawReceipt(receipt) {
      deferred = receipt.deferred;
      wasWiped = false;
      dueMs = 0;
    },
  };
}

/** Keeps the element of each id, so that a button keeps the focus. */
function show<T extends { readonly id: string }>(
  list: HTMLOListElement,
  all: readonly T[],
  make: (one: T) => HTMLLIElement,
): void {
  const there = new Map([...list.children].map((entry) => [entry.getAttribute("data-id"), entry]));
  const wanted = all.slice(0, shownMax).map((one) => {
    const entry = there.get(one.id) ?? make(one);
    entry.setAttribute("data-id", one.id);
    return entry;
  });
  for (const entry of [...list.children]) if (!wanted.includes(entry)) entry.remove();
  for (const [index, entry] of wanted.entries()) {
    const at = list.children[index];
    if (at !== entry) list.insertBefore(entry, at ?? null);
  }
}

type Shown = Pick<OutboxRow, "topic" | "kind" | "data">;

function rowEntry(row: Shown): HTMLLIElement {
  return element("li", "row", element("p", "row-head", row.topic), element("p", "row-text", excerpt(row)));
}

function small(word: string, what: string, onClick: () => void): HTMLButtonElement {
  const made = element("button", "button small", word);
  made.type = "button";
  made.setAttribute("aria-label", `${word} “${what}”`);
  made.addEventListener("click", onClick);
  return made;
}

/** The text of a note, or what a change does: "replace /a/title". */
function excerpt({ kind, data }: Shown): string {
  const text = kind === "message" ? noteText(data) : changes(data).join(", ");
  return text.length > textCharsMax ? `${text.slice(0, textCharsMax)}…` : text;
}

function noteText(data: unknown): string {
  return isRecord(data) && typeof data["text"] === "string" ? data["text"] : JSON.stringify(data);
}

function changes(data: unknown): string[] {
  if (Array.isArray(data)) return data.map(({ op, path }) => `${op} ${path}`);
  return isRecord(data) ? Object.keys(data).map((name) => `change ${name}`) : ["replace everything"];
}
