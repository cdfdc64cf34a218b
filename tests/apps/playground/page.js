// A page that has its hub in itself: the files of the package are all that it loads.

import { connect } from "/longhaul/index.js";
import { createTestHub } from "/longhaul/testing.js";

const hub = await createTestHub({ seed: 7 });
const browser = hub.browser({ origin: location.origin });
browser.install();
globalThis.playground = { hub, browser, connect };
