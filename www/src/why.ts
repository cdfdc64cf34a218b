// The dialog "Why?": the client's diagnosis of its transport and its attempts, refreshed when it
// opens.

import type { Client, Diagnosis } from "longhaul";
import { byId, element, setText } from "./dom";
import { formatCount, none } from "./format";
import { transportWords } from "./transports";

type Outcome = Diagnosis["tried"][number]["outcome"];

const outcomeWords: Record<Outcome, string> = {
  ok: "worked",
  blocked: "blocked",
  "opened-then-closed": "opened, closed",
  silent: "silent",
  buffered: "buffered",
  refused: "refused",
  unsupported: "unsupported",
  superseded: "another one was faster",
};

export function createWhy(client: Client): void {
  const dialog = byId("why-dialog", HTMLDialogElement);
  const title = byId("why-title", HTMLElement);
  const advice = byId("why-advice", HTMLElement);
  const facts = byId("why-facts", HTMLElement);
  const rows = byId("why-tried", HTMLTableSectionElement);
  let asked = 0;

  const show = (diagnosis: Diagnosis): void => {
    const { transport, tried, online, protocol } = diagnosis;
    setText(title, transport === undefined ? "Why no connection?" : `Why ${transportWords[transport]}?`);
    setText(advice, diagnosis.advice);
    const network = online ? "The browser says it is online" : "The browser says it is offline";
    setText(facts, protocol === undefined ? `${network}.` : `${network}; its last request took ${protocol}.`);
    rows.replaceChildren(...tried.toReversed().map(rowOf));
    dialog.setAttribute("aria-busy", "false");
  };

  const ask = async (): Promise<void> => {
    asked += 1;
    const asking = asked;
    dialog.setAttribute("aria-busy", "true");
    const diagnosis = await client.diagnose();
    if (asking === asked) show(diagnosis);
  };

  byId("why", HTMLButtonElement).addEventListener("click", () => {
    setText(title, "Why?");
    setText(advice, "Asking the client, and whether anything answers at the hub's address …");
    setText(facts, "");
    rows.replaceChildren();
    dialog.showModal();
    void ask();
  });
  byId("why-again", HTMLButtonElement).addEventListener("click", () => void ask());
  byId("why-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  // The backdrop is the dialog itself. Its one child has all content.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

function rowOf({ transport, outcome, detail, tookMs }: Diagnosis["tried"][number]): HTMLTableRowElement {
  const word = element("span", `outcome outcome-${outcome}`, outcomeWords[outcome]);
  const name = element("th", "", transportWords[transport]);
  name.scope = "row";
  return element(
    "tr",
    "",
    name,
    element("td", "", word),
    element("td", "why-detail", detail),
    element("td", "why-took", outcome === "unsupported" ? none : formatCount(Math.round(tookMs))),
  );
}
