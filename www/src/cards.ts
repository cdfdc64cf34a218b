// The document demo/cards, and the patches that change it. Cards are an object by id and not a
// list, so changes to different cards never conflict; the order of a card is a fraction between two
// others. Each patch has a `test` of the old value, so that two changes of one card don't silently
// overwrite each other. This file does not touch the page.

import type { Operation } from "longhaul";
import { isRecord } from "./host";

export const columns = ["todo", "doing", "done"] as const;
export type Column = (typeof columns)[number];
export const columnWords: Record<Column, string> = { todo: "To do", doing: "Doing", done: "Done" };

export const textCharsMax = 140;
/** The most cards that the page shows, as anyone may add some. */
const cardsMax = 120;

export interface Card {
  readonly text: string;
  readonly column: Column;
  readonly order: number;
}
export type Shown = Card & { readonly id: string };

/**
 * Reads the cards, ordered within each column. Anyone may write here, so it skips everything else.
 */
export function readCards(value: unknown): Shown[] {
  const held = isRecord(value) && isRecord(value["cards"]) ? value["cards"] : {};
  const cards: Shown[] = [];
  for (const [id, card] of Object.entries(held)) if (isCard(card)) cards.push({ ...card, id });
  cards.sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
  return cards.slice(0, cardsMax);
}

function isCard(data: unknown): data is Card {
  if (!isRecord(data)) return false;
  const { text, column, order } = data;
  return typeof text === "string" && columns.includes(column as Column) && Number.isFinite(order);
}

/** A merge, because the document may be unwritten. */
export function adding(id: string, card: Card): unknown {
  return { cards: { [id]: card } };
}

export function rewording({ id, text }: Shown, to: string): Operation[] {
  const path = `${pathOf(id)}/text`;
  return [
    { op: "test", path, value: text },
    { op: "replace", path, value: to },
  ];
}

export function moving(card: Shown, column: Column, order: number): Operation[] {
  const path = pathOf(card.id);
  const isSame = column === card.column;
  return [
    { op: "test", path: `${path}/column`, value: card.column },
    ...(isSame ? [] : [{ op: "replace", path: `${path}/column`, value: column } as const]),
    { op: "replace", path: `${path}/order`, value: order },
  ];
}

export function removing({ id }: Shown): Operation[] {
  return [{ op: "remove", path: pathOf(id) }];
}

/**
 * The order of a card before the one at `index` of the others in a column; past the last, at the
 * end.
 */
export function orderAt(others: readonly Card[], index: number): number {
  const before = others[index - 1]?.order;
  const after = others[index]?.order;
  if (before === undefined) return after === undefined ? 0 : after - 1;
  return after === undefined ? before + 1 : (before + after) / 2;
}

function pathOf(id: string): string {
  return `/cards/${id.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
