// The package. Its types are in api.d.ts; the assignment below proves that the code keeps them.

import type * as api from "./api.js";
import { connect } from "./client.js";
import { LonghaulError } from "./errors.js";

export type * from "./api.js";
export { connect, LonghaulError };

connect satisfies typeof api.connect;
LonghaulError satisfies new (
  ...args: never[]
) => api.LonghaulError;
