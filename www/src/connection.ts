// The connection panel: what holds now, in words and figures, and the three buttons.

import type { Client, CloseReason, Status, TransportName } from "longhaul";
import { byId, setText } from "./dom";
import { formatAge, formatDuration, formatRtt, none } from "./format";
import type { Line } from "./line";

/** How long the panel tells of a recovery before it goes back to everyday words. */
const recoveryToldMs = 10_000;

const words: Record<Status["state"], string> = {
  connecting: "Connecting",
  connected: "Connected",
  waiting: "Waiting",
  offline: "Offline",
  unauthorized: "Refused",
  closed: "Closed",
};

const transports: Record<TransportName, string> = {
  websocket: "WebSocket",
  eventsource: "EventSource",
  longpoll: "Long poll",
};

export interface ConnectionPanel {
  /** Draws the status and the countdown as of now. */
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
      icon.setAttribute("href", `#icon-${iconOf(status.state)}`);
      setText(state, words[status.state]);
      waitingSinceMs = nowMs;
    }
    bar.dataset["line"] = line.isCut ? "cut" : "whole";
    // aria-disabled instead of disabled: the button just pressed keeps the focus.
    cut.setAttribute("aria-disabled", String(line.isCut));
    goOn.setAttribute("aria-disabled", String(!line.isCut));

    const leftMs = status.state === "waiting" ? Math.max(0, status.retryAtMs - nowMs) : undefined;
    const isRecovered = status.state === "connected" && nowMs < recovery.untilMs;
    setText(fields.sentence, isRecovered ? recovery.text : sentence(status, line.isCut, nowMs));
    if ("transport" in status) setText(fields.transport, transports[status.transport]);
    setText(fields.rtt, status.state === "connected" ? formatRtt(status.rttMs) : none);
    setText(fields.attempt, "attempt" in status ? String(status.attempt) : "0");
    setText(fields.countdown, leftMs === undefined ? none : `${(leftMs / 1000).toFixed(1)} s`);
    const wholeMs = status.state === "waiting" ? status.retryAtMs - waitingSinceMs : 0;
    bar.style.setProperty("--countdown", wholeMs > 0 ? Math.min(1, (leftMs ?? 0) / wholeMs).toFixed(3) : "0");

    // What is read aloud: a change of state, never a ticking number.
    const news = isRecovered
      ? recovery.text
      : `${words[status.state]}${line.isCut ? ", the line is cut" : ""}`;
    if (news !== announced && status.state !== "connecting") {
      announced = news;
      announcer.textContent = news;
    }
  };

  const setLine = (isCut: boolean): void => {
    if (line.isCut === isCut) return;
    onLine(isCut);
    if (isCut) line.cut();
    else line.goOn();
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

export function iconOf(
  state: Status["state"],
): "connected" | "connecting" | "waiting" | "offline" | "closed" {
  return state === "unauthorized" ? "closed" : state;
}

/** A line for the log. Only the loss itself is told in full: the attempts after it fail for the same reason. */
export function failure(status: Extract<Status, { reason: CloseReason }>): string {
  if (status.state !== "waiting") return `${words[status.state]}: ${status.reason.message}`;
  if (status.attempt <= 1) return `Connection lost: ${status.reason.message}`;
  return `Attempt ${status.attempt - 1} failed; the next one in ${formatDuration(status.retryAtMs - Date.now())}.`;
}

export function sentence(status: Status, isCut: boolean, nowMs: number): string {
  switch (status.state) {
    case "connected":
      return `Connected for ${formatAge(nowMs - status.sinceMs)}. The host's figures come in ten times a second.`;
    case "connecting":
      return status.attempt > 1
        ? `Trying again, attempt ${status.attempt}.`
        : "Opening a connection to the hub.";
    case "waiting": {
      const leftMs = status.retryAtMs - nowMs;
      const next = leftMs > 0 ? `next attempt in ${Math.ceil(leftMs / 1000)} s` : "trying now";
      return isCut
        ? `You cut the line, and the client doesn't know. It keeps trying; ${next}.`
        : `Connection lost. We keep trying; ${next}.`;
    }
    case "offline":
      return "This device is offline. We connect as soon as the network is back.";
    case "unauthorized":
      return `The hub refused us: ${status.reason.message}.`;
    case "closed":
      return `The connection is closed: ${status.reason.message}. Reload the page to start again.`;
  }
}
