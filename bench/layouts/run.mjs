// Compares frame layouts on the client's receive path. docs/decisions/wire.md has the conclusion.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { contest } from "../contest.mjs";

const folder = dirname(fileURLToPath(import.meta.url));

const cases = [
  { name: "60 B, 1 a frame", payloadBytes: 60, perFrame: 1 },
  { name: "60 B, 16 a frame", payloadBytes: 60, perFrame: 16 },
  { name: "60 B, 64 a frame", payloadBytes: 60, perFrame: 64 },
  { name: "1 KB, 1 a frame", payloadBytes: 1024, perFrame: 1 },
  { name: "1 KB, 16 a frame", payloadBytes: 1024, perFrame: 16 },
  { name: "1 KB, 64 a frame", payloadBytes: 1024, perFrame: 64 },
  { name: "60 B, 1 a frame, ids", payloadBytes: 60, perFrame: 1, hasIds: true },
  { name: "60 B, 16 a frame, ids", payloadBytes: 60, perFrame: 16, hasIds: true },
  { name: "60 B, 64 a frame, ids", payloadBytes: 60, perFrame: 64, hasIds: true },
  { name: "60 B, 1 a frame, 100 topics", payloadBytes: 60, perFrame: 1, topics: 100 },
  { name: "60 B, 16 a frame, 100 topics", payloadBytes: 60, perFrame: 16, topics: 100 },
  { name: "60 B, 64 a frame, 100 topics", payloadBytes: 60, perFrame: 64, topics: 100 },
  { name: "60 B, 1 a frame, plain events", payloadBytes: 60, perFrame: 1, isPlain: true },
];

export function layouts(options) {
  return contest({ name: "layouts", folder, cases, ...options });
}
