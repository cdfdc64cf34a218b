// Publications made offline in a browser that died: the next one sends them once, because neither
// engine has Background Sync.

import { faultsOf } from "../kills/support/conservation.js";
import { counted, flushMs, Trial } from "../kills/support/trial.js";
import { startDisplay } from "./support/driver.js";
import { expect, test } from "./support/fixtures.js";

/** Chosen: few, because these engines take seconds to start. Chromium's loop has a hundred. */
const kills = 5;

test("s02 s27 i16: publications made offline survive the browser's death, and the next visit sends them once", async ({
  engine,
}) => {
  test.setTimeout(kills * 20_000 + 2 * flushMs);
  const display = await startDisplay();
  const trial = await Trial.begin(engine, 1, display.env);
  try {
    const { ledger } = trial;
    await trial.runUntilKilled({ isOffline: true, reports: 60 });
    const offline = await trial.history();
    console.log(`  ${engine}, killed offline: ${counted(offline)}`);
    expect(offline.durable.length).toBeGreaterThan(10);
    expect([...ledger.deferred]).toEqual(["next-visit"]);
    expect(offline.queued.length).toBeGreaterThanOrEqual(offline.durable.length);
    expect({ faults: faultsOf(offline), failures: ledger.failures }).toEqual({ faults: [], failures: [] });

    for (let run = 1; run < kills; run++) await trial.runUntilKilled();
    const flushed = await trial.flush();
    console.log(`  ${engine}, flushed: ${counted(flushed)}`);
    expect({ faults: faultsOf(flushed), failures: ledger.failures }).toEqual({ faults: [], failures: [] });
    expect(flushed.queued).toEqual([]);
  } finally {
    await trial.end();
    await display.stop();
  }
});
