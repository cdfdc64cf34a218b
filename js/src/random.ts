// Random names. Only secure pages have crypto.randomUUID.

import { randomBytes } from "./browser.js";

/** 128 random bits in hex. */
export function randomName(): string {
  return Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
