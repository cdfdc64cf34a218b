import { expect, test } from "vitest";
import { seededRandom, seedRandom } from "./random.js";

test("a seed gives the same numbers again, and another seed others", () => {
  const draw = (seed: number): number[] => Array.from({ length: 100 }, seededRandom(seed));
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(2 ** 40 + 1)).not.toEqual(draw(1));
  for (const number of draw(1)) {
    expect(number).toBeGreaterThanOrEqual(0);
    expect(number).toBeLessThan(1);
  }
});

test("the global random numbers are seeded until that is undone", () => {
  const draw = (): unknown => [Math.random(), ...crypto.getRandomValues(new Uint32Array(4))];
  const runs = [1, 1, 2].map((seed) => {
    const undo = seedRandom(seed);
    const drawn = draw();
    undo();
    return drawn;
  });
  expect(runs[0]).toEqual(runs[1]);
  expect(runs[0]).not.toEqual(runs[2]);
  expect(draw()).not.toEqual(draw());
});
