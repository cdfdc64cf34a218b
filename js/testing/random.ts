// Seeded random numbers: one seed gives the same numbers on every JavaScript engine.

/** Returns a number from 0 to below 1. */
export type Random = () => number;

/** Source: mulberry32. Its 32 bits of state are enough for delays and faults. */
export function seededRandom(seed: number): Random {
  let state = Math.imul(seed ^ Math.floor(seed / 2 ** 32), 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Replaces `Math.random` and `crypto.getRandomValues` with seeded numbers. Returns a function that
 * undoes this.
 */
export function seedRandom(seed: number, scope: typeof globalThis = globalThis): () => void {
  const draw = seededRandom(seed);
  const { random } = scope.Math;
  const fill = <T extends ArrayBufferView>(array: T): T => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = draw() * 256;
    return array;
  };
  scope.Math.random = draw;
  // An own property hides the method of the prototype until it is deleted.
  Object.defineProperty(scope.crypto, "getRandomValues", { value: fill, configurable: true });
  return () => {
    scope.Math.random = random;
    Reflect.deleteProperty(scope.crypto, "getRandomValues");
  };
}
