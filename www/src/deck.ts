// The cards on the page: draws the document, publishes the user's changes, and shows their
// outcomes. The only state here is `pending`, the changes without an outcome.

import type { Client, Document, LonghaulError, Receipt } from "longhaul";
import {
  adding,
  type Column,
  columns,
  columnWords,
  moving,
  orderAt,
  readCards,
  removing,
  rewording,
  type Shown,
  textCharsMax,
} from "./cards";
import { byId, icon, setText } from "./dom";
import { createTask, type Task } from "./task";

/** A change of the user, with the words for its failure. */
interface Change {
  readonly id: string;
  /** "Your move of “Write” to Done". */
  readonly words: string;
  /** The change of another user that conflicts with it, as far as the document shows it. */
  readonly cause: (now: Shown | undefined) => string;
}

export function createDeck(
  client: Client,
  documentName: string,
  onLost: (text: string, code: string) => void,
): void {
  const document: Document<unknown> = client.document(documentName);
  const head = byId("deck-head", HTMLElement);
  const told = byId("deck-told", HTMLElement);
  const toldText = byId("deck-told-text", HTMLElement);
  const form = byId("deck-form", HTMLFormElement);
  const input = byId("deck-input", HTMLInputElement);
  const lists = new Map(columns.map((column) => [column, byId(`deck-${column}`, HTMLOListElement)]));
  const tasks = new Map<string, Task>();
  const pending = new Set<Change>();
  let cards: Shown[] = [];
  let isDrawing = false;

  input.maxLength = textCharsMax;

  const inColumn = (column: Column, without?: string): Shown[] =>
    cards.filter((card) => card.column === column && card.id !== without);

  const draw = (): void => {
    cards = readCards(document.value);
    isDrawing = true;
    const focused = globalThis.document.activeElement;
    const byCard = new Map(cards.map((card) => [card.id, card]));
    for (const [id, task] of tasks) {
      if (byCard.has(id)) continue;
      task.entry.remove();
      tasks.delete(id);
    }
    for (const [column, list] of lists) {
      for (const [index, card] of inColumn(column).entries()) {
        const task = tasks.get(card.id) ?? make(card.id);
        task.show(
          card,
          [...pending].some(({ id }) => id === card.id),
        );
        const there = list.children[index];
        if (there !== task.entry) list.insertBefore(task.entry, there ?? null);
      }
    }
    // An element that moves to another list loses the focus.
    if (focused instanceof HTMLElement && focused !== globalThis.document.activeElement) focused.focus();
    isDrawing = false;
    const count = pending.size;
    head.classList.toggle("is-sending", count > 0);
    setText(
      head,
      count === 0
        ? "Anyone with this page open can change these."
        : `${count} ${count === 1 ? "change" : "changes"} on ${count === 1 ? "its" : "their"} way`,
    );
  };

  /** Makes the element of a card. The document shows each change at once. */
  const make = (id: string): Task => {
    const task = createTask(id, {
      reword: (card, text) =>
        void track(
          {
            id,
            words: `Your new text “${text}”`,
            cause: (now) =>
              now === undefined
                ? "somebody else has deleted the card."
                : `somebody else changed it first: it is “${now.text}”.`,
          },
          document.patch(rewording(card, text)),
        ),
      shift: (card, columnsBy, positionsBy) => {
        const column = columns[columns.indexOf(card.column) + columnsBy];
        if (column === undefined) return;
        const others = inColumn(column, id);
        const from = inColumn(card.column).findIndex((other) => other.id === id);
        const to = columnsBy === 0 ? from + positionsBy : others.length;
        if (columnsBy === 0 && (to < 0 || to > others.length)) return;
        put(card, column, orderAt(others, to));
      },
      remove: (card) =>
        void track(
          { id, words: `Your deletion of “${card.text}”`, cause: () => "somebody else has deleted it." },
          document.patch(removing(card)),
        ),
      isDrawing: () => isDrawing,
    });
    tasks.set(id, task);
    return task;
  };

  const put = (card: Shown, column: Column, order: number): void =>
    void track(
      {
        id: card.id,
        words: `Your move of “${card.text}” to ${columnWords[column]}`,
        cause: (now) => {
          if (now === undefined) return "somebody else has deleted it.";
          if (now.column === card.column) return "somebody else has changed it.";
          return `somebody else moved it first: it is in ${columnWords[now.column]}.`;
        },
      },
      document.patch(moving(card, column, order)),
    );

  const track = async (change: Change, call: Promise<Receipt>): Promise<void> => {
    pending.add(change);
    told.hidden = true;
    draw();
    try {
      const receipt = await call;
      draw();
      await receipt.acked;
    } catch (error) {
      const { code, message } = error as LonghaulError;
      const now = readCards(document.confirmed).find(({ id }) => id === change.id);
      const cause = code === "patch_failed" ? change.cause(now) : message;
      const text = `${change.words} was not made: ${cause}`;
      setText(toldText, text);
      told.hidden = false;
      onLost(text, code);
    } finally {
      pending.delete(change);
      draw();
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === "") return;
    input.value = "";
    const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    const others = inColumn("todo");
    const card = { text, column: "todo", order: orderAt(others, others.length) } as const;
    void track(
      { id, words: `Your card “${text}”`, cause: () => "the document has no room for it." },
      document.merge(adding(id, card)),
    );
  });
  byId("deck-told-close", HTMLButtonElement).addEventListener("click", () => {
    told.hidden = true;
    input.focus();
  });
  for (const [column, list] of lists) {
    const target = list.parentElement ?? list;
    target.addEventListener("dragover", (event) => event.preventDefault());
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      const id = event.dataTransfer?.getData("text/plain");
      const card = cards.find((each) => each.id === id);
      if (card === undefined) return;
      const others = inColumn(column, card.id);
      const below = others.findIndex((other) => {
        const box = tasks.get(other.id)?.entry.getBoundingClientRect();
        return box !== undefined && event.clientY < box.top + box.height / 2;
      });
      put(card, column, orderAt(others, below < 0 ? others.length : below));
    });
  }
  told.prepend(icon("error"));
  document.subscribe(draw);
  draw();
}
