// What `longhaul/testing` exports.

// api.d.ts takes these from beside itself, where the package's own types lie once it is built.
export type { Operation, TransportName } from "../src/api.js";
export { seedRandom } from "./chance.js";
export { createVirtualClock } from "./clock.js";
export { createTestHub } from "./hub.js";
