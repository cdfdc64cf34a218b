import { createElement, type ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { connect } from "./index.js";
import {
  LonghaulProvider,
  useClient,
  useDeadLetters,
  useDocument,
  useOutbox,
  usePublish,
  useStatus,
  useTopic,
} from "./react.js";

// What the hooks do in a browser, with React 18 and 19: tests/consumers/adapters.mjs.

function All(): ReactNode {
  const { messages } = useTopic("t");
  const { value, pending } = useDocument("d", { at: "/title" });
  const [, last] = usePublish("t");
  const { size, rows } = useOutbox();
  const { deadLetters } = useDeadLetters();
  const lists = [messages, rows, deadLetters].map(({ length }) => length);
  return JSON.stringify([useStatus().state, String(value), pending, last.state, size, ...lists]);
}

const rendered = (props: { url: string } | { client: ReturnType<typeof connect> }): string =>
  renderToString(createElement(LonghaulProvider, props, createElement(All))).replaceAll("&quot;", '"');

test("a server renders what the browser shows before the first connection, and connects nowhere", () => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const expected = '["connecting","undefined",0,"idle",0,0,0,0]';
  expect(rendered({ url: "http://hub.invalid" })).toBe(expected);
  expect(rendered({ client: connect("http://hub.invalid") })).toBe(expected);
  expect(fetched).not.toHaveBeenCalled();
});

test("hooks without a provider say what is missing", () => {
  const Lost = (): ReactNode => String(useClient());
  expect(() => renderToString(createElement(Lost))).toThrow("LonghaulProvider");
});
