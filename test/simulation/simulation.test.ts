/** Every run of the tests tries some hundred worlds; `npm run simulate` tries as many as you like. */
import { describe, expect, it } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { runSeed, tell } from './run-seed.ts';

const SEEDS = 200;
/** A change of the code under test shifts what a seed does: a mutant may be caught a few seeds later than recorded. */
const LATER_SEEDS = 150;

describe('in a world that fails as its seed says', () => {
  it('every promise holds, throughout and to the end', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const run = await runSeed(seed);
      expect(run.violation, tell(run)).toBeUndefined();
    }
  });

  it('a seed replays exactly', async () => {
    const first = await runSeed(16);
    const second = await runSeed(16);

    expect(second.steps).toBe(first.steps);
    expect(second.trace()).toEqual(first.trace());
    expect(first.trace().length).toBeGreaterThan(20);
  });
});

describe('a mutant breaks a promise', () => {
  it.each(MUTANTS)('$name', { timeout: 120_000 }, async (mutant) => {
    let caught = false;
    for (let seed = mutant.seed; !caught && seed <= mutant.seed + LATER_SEEDS; seed += 1) {
      caught = (await runSeed(seed, mutant)).violation !== undefined;
    }

    expect(caught).toBe(true);
  });
});
