// The hooks of longhaul/react, in StrictMode. createElement instead of JSX: the tools need no plugin.
import {
  LonghaulProvider,
  useDeadLetters,
  useDocument,
  useOutbox,
  usePublish,
  useStatus,
  useTopic,
} from "longhaul/react";
import { createElement, memo, StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";

const hub = new URLSearchParams(location.search).get("hub");
const name = `r${Math.random().toString(36).slice(2)}`;
const errors = [];
const seen = { titleRenders: 0, states: new Set() };
let sockets = 0;
const OwnSocket = globalThis.WebSocket;
globalThis.WebSocket = class extends OwnSocket {
  constructor(...args) {
    super(...args);
    sockets++;
    this.addEventListener("close", () => sockets--);
  }
};

const Title = memo(() => {
  seen.titleRenders++;
  const { value } = useDocument(`${name}d`, { at: "/title" });
  return createElement("h1", {}, value ?? "no title");
});

function App({ first, second }) {
  const { state } = useStatus();
  const { messages, gaps } = useTopic(name, { from: "start", keep: 3 });
  const { value, pending, merge } = useDocument(`${name}d`);
  const [publish, last] = usePublish(name);
  const { size, rows } = useOutbox();
  const { deadLetters } = useDeadLetters();
  seen.states.add(state);
  // Twice in StrictMode. The publications before the provider's effect wait for its client.
  useEffect(() => {
    void publish({ n: 1 });
    void merge({ title: "a" });
  }, [publish, merge]);
  useEffect(() => {
    globalThis.mergeMore = merge;
    const isSettled = last.state === "acked" && pending === 0 && size === 0 && rows.length === 0;
    if (state !== "connected" || messages.length === 0 || !isSettled) return;
    const numbers = [...new Set(messages.map(({ data }) => data.n))];
    if (value?.title === "a") first({ numbers, gaps: gaps.length, deadLetters: deadLetters.length });
    if (value?.more === 1) second();
  });
  return createElement(Title);
}

const root = createRoot(document.body.appendChild(document.createElement("div")));
const steps = {};
const passed = ["first", "second"].map(
  (step) =>
    new Promise((resolve) => {
      steps[step] = resolve;
    }),
);
root.render(
  createElement(
    StrictMode,
    {},
    createElement(
      LonghaulProvider,
      { url: hub, options: { onError: (error) => errors.push(String(error)) } },
      createElement(App, steps),
    ),
  ),
);
const shown = await passed[0];
const { titleRenders } = seen;
await globalThis.mergeMore({ more: 1 });
await passed[1];
const title = document.querySelector("h1").textContent;
root.unmount();
// The provider has closed its client.
while (sockets > 0) await new Promise((resolve) => setTimeout(resolve, 20));
globalThis.result = {
  ...shown,
  title,
  newTitleRenders: seen.titleRenders - titleRenders,
  errors,
  states: [...seen.states].sort(),
};
