// The connection panel: the present state in figures and in the words of words.ts, and three
// buttons.

import type { Client } from "longhaul";
import { byId, setText } from "./dom";
import { formatRtt, none } from "./format";
import type { Line } from "./line";
import { transportWords } from "./transports";
import { sentence, stateWord, stopped } from "./words";

/** How long the panel shows the sentence about a recovery. */
const recoveryToldMs = 10_000;

export interface ConnectionPanel {
  /** Draws the present status and countdown. */
  draw(nowMs: number): void;
  sawSeq(topic: "host" | "board", seq: number): void;
  tellRecovery(text: string): void;
}

export function createConnectionPanel(
  client: Client,
  line: Line,
  onLine: (isCut: boolean) => void,
): ConnectionPanel {
  const bar = byId("connection", HTMLElement);
  const state = byId("status-state", HTMLElement);
  const icon = byId("status-icon", SVGUseElement);
  const announcer = byId("announcer", HTMLElement);
  const cut = byId("cut", HTMLButtonElement);
  const goOn = byId("go-on", HTMLButtonElement);
  const fields = {
    sentence: byId("sentence", HTMLElement),
    transport: byId("status-transport", HTMLElement),
    rtt: byId("status-rtt", HTMLElement),
    attempt: byId("status-attempt", HTMLElement),
    countdown: byId("status-countdown", HTMLElement),
    host: byId("host-seq", HTMLElement),
    board: byId("board-seq", HTMLElement),
  };
  let waitingSinceMs = 0;
  let announced = "";
  let recovery = { text: "", untilMs: 0 };

  const draw = (nowMs: number): void => {
    const status = client.status;
    if (bar.dataset["state"] !== status.state) {
      bar.dataset["state"] = status.state;
      state.dataset["state"] = status.state;
      icon.setAttribute("href", `#icon-${status.state}`);
      waitingSinceMs = nowMs;
    }
    setText(state, stateWord(status));
    bar.dataset["exhausted"] = String(status.state === "waiting" && status.isExhausted === true);
    bar.dataset["line"] = line.isCut ? "cut" : "whole";
    // With aria-disabled instead of disabled the pressed button keeps the focus.
    cut.setAttribute("aria-disabled", String(line.isCut));
    goOn.setAttribute("aria-disabled", String(!line.isCut));

    const leftMs = status.state === "waiting" ? Math.max(0, status.retryAtMs - nowMs) : undefined;
    const isRecovered = status.state === "connected" && nowMs < recovery.untilMs;
    setText(fields.sentence, isRecovered ? recovery.text : sentence(status, line, nowMs));
    if ("transport" in status) setText(fields.transport, transportWords[status.transport]);
    setText(fields.rtt, status.state === "connected" ? formatRtt(status.rttMs) : none);
    setText(fields.attempt, "attempt" in status ? String(status.attempt) : "0");
    setText(fields.countdown, leftMs === undefined ? none : `${(leftMs / 1000).toFixed(1)} s`);
    const wholeMs = status.state === "waiting" ? status.retryAtMs - waitingSinceMs : 0;
    bar.style.setProperty("--countdown", wholeMs > 0 ? Math.min(1, (leftMs ?? 0) / wholeMs).toFixed(3) : "0");

    // A screen reader announces changes of the state, and no ticking numbers.
    const over = status.state === "connected" ? transportWords[status.transport] : "";
    const news = isRecovered
      ? recovery.text
      : [stateWord(status), over, stopped(line)].filter((part) => part !== "").join(", ");
    if (news !== announced && status.state !== "connecting") {
      announced = news;
      announcer.textContent = news;
    }
  };

  const setLine = (isCut: boolean): void => {
    if (line.isCut === isCut) return;
    onLine(isCut);
    if (isCut) line.cut();
    else line.restore();
    draw(Date.now());
  };
  cut.addEventListener("click", () => setLine(true));
  goOn.addEventListener("click", () => setLine(false));
  byId("retry", HTMLButtonElement).addEventListener("click", () => client.reconnect());

  return {
    draw,
    sawSeq: (topic, seq) => setText(fields[topic], String(seq)),
    tellRecovery(text) {
      recovery = { text, untilMs: Date.now() + recoveryToldMs };
    },
  };
}
