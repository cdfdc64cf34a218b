// The shared board. Anyone with the page open can write to it, so the page checks each note and
// shows it as text only.

import type { Client, LonghaulError, Message, OutboxRow, Receipt, Topic } from "longhaul";
import { byId, element, setText } from "./dom";
import { formatClock } from "./format";
import { isRecord } from "./host";
import { readSetting, writeSetting } from "./settings";

const nameCharsMax = 24;
const textCharsMax = 280;
const entriesMax = 200;
/** A reader who is closer to the end than this follows it. */
const followPx = 48;

interface Note {
  name: string;
  text: string;
}

export interface Board {
  show(message: Message<unknown>): void;
  /** Shows the notes of earlier visits that wait in the outbox. */
  restore(rows: readonly OutboxRow[]): void;
  gap(text: string): void;
}

export interface BoardEvents {
  onReceipt(receipt: Receipt): void;
  onUnreadable(seq: number): void;
  onError(text: string): void;
}

export function createBoard(client: Client, topicName: string, events: BoardEvents): Board {
  const topic: Topic<Note> = client.topic<Note>(topicName);
  const list = byId("board-list", HTMLOListElement);
  const empty = byId("board-empty", HTMLElement);
  const form = byId("board-form", HTMLFormElement);
  const nameInput = byId("board-name", HTMLInputElement);
  const textInput = byId("board-input", HTMLInputElement);
  const jump = byId("board-jump", HTMLButtonElement);
  /**
   * Own entries with an ack that wait for their message, and the entries of messages, by epoch and
   * seq.
   */
  const acknowledged = new Map<string, HTMLLIElement>();
  const shown = new Map<string, HTMLLIElement>();
  /** The entries of notes from earlier visits, by the id that their messages will have. */
  const waiting = new Map<string, HTMLLIElement>();
  const openedAtMs = Date.now();

  nameInput.maxLength = nameCharsMax;
  textInput.maxLength = textCharsMax;
  nameInput.value = readSetting("name") ?? "";

  const isFollowing = (): boolean => list.scrollHeight - list.scrollTop - list.clientHeight < followPx;
  const toEnd = (): void => {
    list.scrollTop = list.scrollHeight;
    jump.hidden = true;
  };
  list.addEventListener("scroll", () => {
    if (isFollowing()) jump.hidden = true;
  });
  jump.addEventListener("click", toEnd);
  new ResizeObserver(() => {
    if (jump.hidden) toEnd();
  }).observe(list);

  /** Inserts an entry before those that are still being sent, which stay last. */
  const insert = (entry: HTMLLIElement): void => {
    const wasFollowing = isFollowing();
    list.insertBefore(entry, list.querySelector(".note.is-sending"));
    empty.hidden = true;
    while (list.childElementCount > entriesMax) list.firstElementChild?.remove();
    if (wasFollowing) toEnd();
    else jump.hidden = false;
  };

  /**
   * The ack and the message come in any order. The second one moves the entry to its final
   * position.
   */
  const follow = async (entry: HTMLLIElement, receipt: Receipt): Promise<void> => {
    const { epoch, seq } = await receipt.acked;
    entry.dataset["acked"] = String(seq);
    const key = `${epoch}/${seq}`;
    const arrived = shown.get(key);
    if (arrived === undefined) {
      acknowledged.set(key, entry);
      setMeta(entry, `sent, #${seq}`);
    } else {
      settle(entry, Number(arrived.dataset["publishedAtMs"]), seq);
      arrived.replaceWith(entry);
    }
  };

  /** Adds an own note that the hub has not confirmed. */
  const addUnsent = (note: Note, meta: string): HTMLLIElement => {
    const entry = noteEntry(note, true);
    entry.classList.add("is-sending");
    setMeta(entry, meta);
    list.append(entry);
    empty.hidden = true;
    toEnd();
    return entry;
  };

  const send = async (note: Note): Promise<void> => {
    const entry = addUnsent(note, "sending…");
    try {
      const receipt = await topic.publish(note);
      events.onReceipt(receipt);
      await follow(entry, receipt);
    } catch (error) {
      const text = (error as LonghaulError).message;
      entry.classList.replace("is-sending", "is-refused");
      setMeta(entry, "not accepted");
      events.onError(`The board didn't accept a message: ${text}`);
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = textInput.value.trim();
    if (text === "") return;
    const name = nameInput.value.trim();
    writeSetting("name", name);
    textInput.value = "";
    textInput.focus();
    void send({ name: name === "" ? "Guest" : name, text });
  });

  return {
    show(message) {
      const { id = "", data, epoch, seq, publishedAtMs } = message;
      const key = `${epoch}/${seq}`;
      const own = acknowledged.get(key) ?? waiting.get(id);
      const entry = own ?? (isNote(data) ? noteEntry(data, false) : undefined);
      acknowledged.delete(key);
      waiting.delete(id);
      if (entry === undefined) {
        events.onUnreadable(seq);
        return;
      }
      settle(entry, publishedAtMs, seq);
      insert(entry);
      shown.set(key, entry);
      if (shown.size > entriesMax) shown.delete(shown.keys().next().value ?? "");
    },
    restore(rows) {
      for (const { id, topic, data, createdAtMs } of rows) {
        // `send` shows the notes of this visit.
        if (topic !== topicName || createdAtMs >= openedAtMs || !isNote(data)) continue;
        waiting.set(id, addUnsent(data, `waiting since ${formatClock(createdAtMs)}`));
      }
    },
    gap: (text) => insert(element("li", "board-gap", text)),
  };
}

function isNote(data: unknown): data is Note {
  if (!isRecord(data)) return false;
  const { name, text } = data;
  return typeof name === "string" && typeof text === "string" && text !== "";
}

function noteEntry({ name, text }: Note, isOwn: boolean): HTMLLIElement {
  const shownName = name.trim().slice(0, nameCharsMax) || "Guest";
  const avatar = element("span", "note-avatar", [...shownName][0]?.toUpperCase() ?? "?");
  avatar.setAttribute("aria-hidden", "true");
  avatar.style.setProperty("--hue", String(hueOf(shownName)));
  const author = element(
    "span",
    "note-author",
    shownName,
    ...(isOwn ? [element("span", "note-you", "you")] : []),
  );
  const head = element("span", "note-head", author, element("span", "note-meta"));
  const body = element("p", "note-text", text.slice(0, textCharsMax));
  return element("li", `note${isOwn ? " is-own" : ""}`, avatar, element("div", "note-body", head, body));
}

/** The hub has the entry at this seq. */
function settle(entry: HTMLLIElement, publishedAtMs: number, seq: number): void {
  entry.classList.remove("is-sending");
  entry.dataset["seq"] = String(seq);
  entry.dataset["publishedAtMs"] = String(publishedAtMs);
  setMeta(entry, `${formatClock(publishedAtMs)} · #${seq}`);
}

function setMeta(entry: HTMLLIElement, text: string): void {
  const meta = entry.querySelector(".note-meta");
  if (meta !== null) setText(meta, text);
}

function hueOf(name: string): number {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}
