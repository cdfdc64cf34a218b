// Random names. crypto.randomUUID is for secure pages only.

import { randomBytes } from "./browser.js";

/** 128 random bits in hex. */
export function randomName(): string {
  return Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
