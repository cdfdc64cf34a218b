// The shared board: anyone with the page open writes to it, so what comes in is checked and shown as text only.

import type { Client, LonghaulError, Message, Receipt, Topic } from "longhaul";
import { byId, element, setText } from "./dom";
import { formatClock } from "./format";
import { isRecord } from "./host";
import { readSetting, writeSetting } from "./settings";

const nameCharsMax = 24;
const textCharsMax = 280;
const entriesMax = 200;
/** Closer to the end than this counts as reading along. */
const followPx = 48;

interface Note {
  name: string;
  text: string;
}

export interface Board {
  show(message: Message<unknown>): void;
  gap(fromSeq: number, toSeq: number): void;
}

export interface BoardEvents {
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
  /** Own entries by publication id, until their message has come back. */
  const own = new Map<string, HTMLLIElement>();
  /** Ids of messages that were here before `publish` told us theirs. */
  const early = new Map<string, Message<unknown>>();

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

  /** Before the entries that are still on their way, which stay last. */
  const place = (entry: HTMLLIElement): void => {
    const wasFollowing = isFollowing();
    list.insertBefore(entry, list.querySelector(".note.is-sending"));
    empty.hidden = true;
    while (list.childElementCount > entriesMax) list.firstElementChild?.remove();
    if (wasFollowing) toEnd();
    else jump.hidden = false;
  };

  const settle = (entry: HTMLLIElement, message: Message<unknown>): void => {
    entry.classList.remove("is-sending");
    entry.remove();
    stamp(entry, message);
    place(entry);
  };

  const follow = async (entry: HTMLLIElement, receipt: Receipt): Promise<void> => {
    const arrived = early.get(receipt.id);
    if (arrived !== undefined) settle(entry, arrived);
    else own.set(receipt.id, entry);
    const { seq } = await receipt.acked;
    entry.dataset["acked"] = String(seq);
    if (entry.classList.contains("is-sending")) setMeta(entry, `sent, #${seq}`);
  };

  const send = async (note: Note): Promise<void> => {
    const entry = noteEntry(note, true);
    entry.classList.add("is-sending");
    setMeta(entry, "sending…");
    list.append(entry);
    empty.hidden = true;
    toEnd();
    try {
      await follow(entry, await topic.publish(note));
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
      const { id, data, seq } = message;
      const mine = id === undefined ? undefined : own.get(id);
      if (id !== undefined) {
        own.delete(id);
        early.set(id, message);
        if (early.size > entriesMax) early.delete(early.keys().next().value ?? "");
      }
      if (mine !== undefined) settle(mine, message);
      else if (isNote(data)) place(stamp(noteEntry(data, false), message));
      else events.onUnreadable(seq);
    },
    gap(fromSeq, toSeq) {
      const range = fromSeq === toSeq ? `Message ${fromSeq} is` : `Messages ${fromSeq} to ${toSeq} are`;
      place(element("li", "board-gap", `${range} no longer on the hub.`));
    },
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

function stamp(entry: HTMLLIElement, { seq, publishedAtMs }: Message<unknown>): HTMLLIElement {
  entry.dataset["seq"] = String(seq);
  setMeta(entry, `${formatClock(publishedAtMs)} · #${seq}`);
  return entry;
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
