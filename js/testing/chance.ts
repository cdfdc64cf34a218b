// Seeded chance: the same seed gives the same numbers, on every engine.

/** Numbers from 0 to below 1. */
export type Chance = () => number;

/** mulberry32: 32 bits of state, which is plenty for delays and faults. */
export function chanceOf(seed: number): Chance {
  let state = Math.imul(seed ^ Math.floor(seed / 2 ** 32), 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Puts seeded chance in the place of `Math.random` and `crypto.getRandomValues`. Returns what
 * undoes it.
 */
export function seedRandom(seed: number, scope: typeof globalThis = globalThis): () => void {
  const chance = chanceOf(seed);
  const { random } = scope.Math;
  const fill = <T extends ArrayBufferView>(array: T): T => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = chance() * 256;
    return array;
  };
  scope.Math.random = chance;
  // An own property hides the method of the prototype, and leaves with it.
  Object.defineProperty(scope.crypto, "getRandomValues", { value: fill, configurable: true });
  return () => {
    scope.Math.random = random;
    Reflect.deleteProperty(scope.crypto, "getRandomValues");
  };
}
