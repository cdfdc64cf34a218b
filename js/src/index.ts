// The entry of the package. Its types are in api.d.ts, and `satisfies` checks the code against
// them.

import type * as api from "./api.js";
import { connect } from "./client.js";
import { LonghaulError } from "./errors.js";

export type * from "./api.js";
export { connect, LonghaulError };

connect satisfies typeof api.connect;
LonghaulError satisfies new (
  ...args: never[]
) => api.LonghaulError;
