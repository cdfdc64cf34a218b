// The peers that take part. Each is imported when it is opened, because some look for WebSocket at
// their import.

import { offer } from "../contest.js";
import { shipped } from "../layouts/peers/text.js";
import { raw, rawBatch } from "../raw.js";
import { ably } from "./peers/ably.js";
import { centrifugeJson, centrifugeProtobuf } from "./peers/centrifuge.js";
import { phoenix } from "./peers/phoenix.js";
import { signalr } from "./peers/signalr.js";
import { socketIo } from "./peers/socketio.js";

offer([
  raw,
  rawBatch,
  { ...shipped, name: "longhaul" },
  phoenix,
  socketIo,
  signalr,
  centrifugeJson,
  centrifugeProtobuf,
  ably,
]);
