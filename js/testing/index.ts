// The entry of `longhaul/testing`.

// api.d.ts imports these from `index.js` beside it, as they are in the built package.
export type { Operation, TransportName } from "../src/api.js";
export { createVirtualClock } from "./clock.js";
export { createTestHub } from "./hub.js";
export { seedRandom } from "./random.js";
