// A page that runs its own hub; it loads no files but the package's.

import { connect } from "/longhaul/index.js";
import { createTestHub } from "/longhaul/testing.js";

const hub = await createTestHub({ seed: 7 });
const browser = hub.browser({ origin: location.origin });
browser.install();
globalThis.playground = { hub, browser, connect };
