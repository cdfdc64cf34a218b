// A browser that is killed over and over, while its tabs publish and its service worker sends. At
// the end the ledger, storage and hub must agree.

import { expect, test } from "@playwright/test";
import { faultsOf } from "./support/conservation.js";
import { counted, flushMs, Trial } from "./support/trial.js";

const kills = Number(process.env["LONGHAUL_KILLS"] ?? 100);
const seed = Number(process.env["LONGHAUL_SEED"] ?? 1);
/** How many checks run on the way: a fault is easier to find when few runs may have caused it. */
const runsBetween = 20;

let trial: Trial;
test.beforeAll(async () => {
  trial = await Trial.begin("chromium", seed);
});
test.afterAll(() => trial.end());

test("s01 s02 s05 s24 s25 i16: a hundred kills of a browser with two tabs and a service worker lose, double and reorder nothing", async () => {
  test.setTimeout(kills * 10_000 + 2 * flushMs);
  const { ledger } = trial;
  let productive = 0;
  for (let run = 1; run <= kills; run++) {
    const before = ledger.durable.length;
    await trial.runUntilKilled();
    if (ledger.durable.length > before) productive++;
    if (run % runsBetween > 0 && run < kills) continue;
    const history = await trial.history();
    console.log(
      `  seed ${seed}, ${run} kills: ${counted(history)}, ${productive} runs with receipts, ${trial.torn} torn logs`,
    );
    expect({ faults: faultsOf(history), failures: ledger.failures }).toEqual({ faults: [], failures: [] });
  }
  // A browser that was never killed during work proves nothing.
  expect(productive).toBeGreaterThan(kills / 2);
  expect([...ledger.deferred]).toContain("background-sync");

  const flushed = await trial.flush();
  console.log(`  flushed: ${counted(flushed)}`);
  expect(faultsOf(flushed)).toEqual([]);
  expect(flushed.queued).toEqual([]);
});
