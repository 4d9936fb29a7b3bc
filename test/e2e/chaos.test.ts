/** A short chaos run: the long one is `npm run chaos`. */
import { expect, it } from 'vitest';
import { runChaos } from '../chaos/chaos-run.ts';

it('a pipeline under attack keeps its promises', async () => {
  const report = await runChaos({ tasks: 60, minutes: 0.1, seed: 4, onProgress: () => undefined });

  expect(report.promises.filter(({ held }) => !held)).toEqual([]);
  expect(Object.values(report.done).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
});
