/** A short chaos run: the long one is `npm run chaos`. */
import { expect, it } from 'vitest';
import { runChaos } from '../chaos/chaos-run.ts';

/** A queue that was emptied waits for whole leases until the sweep: on a busy machine that is minutes. */
const LIMIT_MS = 360_000;

it(
  'a pipeline under attack keeps its promises',
  async () => {
    const report = await runChaos({ tasks: 40, minutes: 0.08, seed: 4, onProgress: () => undefined });

    expect(report.promises.filter(({ held }) => !held)).toEqual([]);
    expect(Object.values(report.done).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  },
  LIMIT_MS,
);
