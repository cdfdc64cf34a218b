// A client whose wasm crashes: a new instance continues, without loss or repetition.

import { expect, test, vi } from "vitest";
import { trial } from "../testing/trial.js";
import type { LonghaulError } from "./api.js";

/** The next calls of these exports crash, as often as an export is listed. */
function crashing(name: RegExp, times: number): void {
  const instantiate = WebAssembly.instantiate.bind(WebAssembly) as (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => Promise<WebAssembly.Instance>;
  let left = times;
  vi.spyOn(WebAssembly, "instantiate").mockImplementation((async (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => {
    const { exports } = await instantiate(module, imports);
    const made = Object.entries(exports).map(([key, value]) => {
      if (!name.test(key) || typeof value !== "function") return [key, value];
      const call = (...args: unknown[]): unknown => {
        if (left-- > 0) throw new WebAssembly.RuntimeError("unreachable");
        return value(...args);
      };
      return [key, call];
    });
    return { exports: Object.fromEntries(made) };
  }) as never);
}

test("s59 a crash is reported with its cause, and messages continue", async () => {
  const { clock, connect } = await trial();
  const errors: LonghaulError[] = [];
  crashing(/^core_messages$/, 1);
  const client = connect({ onError: (error) => errors.push(error) });
  const heard: unknown[] = [];
  client.topic("a").subscribe(({ data }) => heard.push(data));
  await clock.until(() => client.status.state === "connected");
  for (const n of [1, 2, 3]) void client.topic("a").publish(n);
  await clock.until(() => heard.length === 3);
  expect(heard).toEqual([1, 2, 3]);
  expect(errors.map(({ code }) => code)).toEqual(["client_crashed"]);
  expect(errors[0]?.cause).toBeInstanceOf(WebAssembly.RuntimeError);
  expect(client.metrics().crashes).toBe(1);
});

test("s59 a client that crashes repeatedly closes with the reason", async () => {
  const { clock, connect } = await trial();
  crashing(/^core_start$/, 1_000);
  const errors: LonghaulError[] = [];
  const client = connect({ onError: (error) => errors.push(error) });
  const { acked } = await client.topic("a").publish(1);
  const rejected = expect(acked).rejects.toMatchObject({ code: "closed" });
  await clock.until(() => client.status.state === "closed");
  await rejected;
  expect(errors.length).toBe(11);
});
