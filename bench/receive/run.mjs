// Measures receiving, side by side with libraries for the same purpose.

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
  { name: "60 B, 1 a frame, 100 topics", payloadBytes: 60, perFrame: 1, topics: 100 },
];

export function receive(options) {
  return contest({ name: "receive", folder, cases, ...options });
}
