// One card on the page: its text, a field to edit it, and its actions for mouse and keyboard.

import { columns, columnWords, type Shown, textCharsMax } from "./cards";
import { element, icon, setText } from "./dom";

export interface TaskActions {
  reword(card: Shown, text: string): void;
  /** Moves the card by columns to the right, or by positions down. */
  shift(card: Shown, columnsBy: number, positionsBy: number): void;
  remove(card: Shown): void;
  /** Whether elements move, and so lose and regain the focus. That does not end an edit. */
  isDrawing(): boolean;
}

export interface Task {
  readonly entry: HTMLLIElement;
  show(card: Shown, isPending: boolean): void;
}

const arrows: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function createTask(id: string, actions: TaskActions): Task {
  let card: Shown | undefined;
  const text = element("button", "task-text");
  const left = tool("back-column", "‹");
  const right = tool("next-column", "›");
  const remove = tool("delete", "×");
  const field = element("input", "task-field");
  const clock = element(
    "span",
    "task-clock",
    icon("clock"),
    element("span", "visually-hidden", "on its way"),
  );
  const entry = element("li", "task", text, field, element("span", "task-tools", clock, left, right, remove));
  entry.dataset["id"] = id;
  entry.draggable = true;
  text.type = "button";
  text.title = "Edit. Shift and an arrow key move it.";
  text.setAttribute("aria-keyshortcuts", "Shift+ArrowLeft Shift+ArrowRight Shift+ArrowUp Shift+ArrowDown");
  field.hidden = true;
  field.maxLength = textCharsMax;
  field.setAttribute("aria-label", "The card's text");

  /** The card when the edit began, so that the patch detects changes of other users since then. */
  let edited: Shown | undefined;
  const edit = (): void => {
    edited = card;
    field.value = card?.text ?? "";
    field.hidden = false;
    text.hidden = true;
    entry.draggable = false;
    field.focus();
    field.select();
  };
  const endEdit = (purpose: "save" | "cancel"): void => {
    if (edited === undefined) return;
    const before = edited;
    edited = undefined;
    const hadFocus = field === globalThis.document.activeElement;
    field.hidden = true;
    text.hidden = false;
    entry.draggable = true;
    if (hadFocus) text.focus();
    const to = field.value.trim();
    if (purpose === "save" && to !== "" && to !== before.text) actions.reword(before, to);
  };

  text.addEventListener("click", edit);
  field.addEventListener("blur", () => actions.isDrawing() || endEdit("save"));
  field.addEventListener("keydown", ({ key, isComposing }) => {
    if (isComposing) return;
    if (key === "Enter") endEdit("save");
    if (key === "Escape") endEdit("cancel");
  });
  text.addEventListener("keydown", (event) => {
    const by = event.shiftKey ? arrows[event.key] : undefined;
    if (by === undefined || card === undefined) return;
    event.preventDefault();
    actions.shift(card, ...by);
  });
  left.addEventListener("click", () => card && actions.shift(card, -1, 0));
  right.addEventListener("click", () => card && actions.shift(card, 1, 0));
  remove.addEventListener("click", () => card && actions.remove(card));
  entry.addEventListener("dragstart", (event) => event.dataTransfer?.setData("text/plain", id));

  return {
    entry,
    show(now, isPending) {
      card = now;
      const short = now.text.slice(0, textCharsMax);
      setText(text, short);
      entry.classList.toggle("is-pending", isPending);
      clock.hidden = !isPending;
      const at = columns.indexOf(now.column);
      name(left, columns[at - 1], short);
      name(right, columns[at + 1], short);
      remove.setAttribute("aria-label", `Delete “${short}”`);
    },
  };
}

function tool(what: string, sign: string): HTMLButtonElement {
  const made = element("button", `task-tool ${what}`, sign);
  made.type = "button";
  return made;
}

/** At the edge the button stays, so that the others don't move under the pointer. */
function name(button: HTMLButtonElement, to: (typeof columns)[number] | undefined, text: string): void {
  button.setAttribute("aria-disabled", String(to === undefined));
  button.setAttribute(
    "aria-label",
    to === undefined ? "No column there" : `Move “${text}” to ${columnWords[to]}`,
  );
}
