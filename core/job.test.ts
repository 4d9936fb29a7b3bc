import { describe, expect, it } from 'vitest';
import { jobFactory } from '../test/factories/job.ts';
import { jobSchema } from './job.ts';
import { fleetOf } from './placement.ts';

describe('a job that was stored', () => {
  it('before jobs could have several fleets is on its one fleet', () => {
    const { placement: _placement, moved: _moved, ...older } = jobFactory({ fleet: 'default' });

    const job = jobSchema.parse(older);

    expect(job).toMatchObject({ fleet: 'default', placement: null, moved: null });
    expect(fleetOf(job, 2)).toBe('default');
  });
});
