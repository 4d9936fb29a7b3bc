import { describe, expect, it } from 'vitest';
import { MAX_TIMEOUT_SECONDS } from '../../core/job-submission.ts';
import { neededLeaseSeconds, waitingLeaseSeconds } from './lease-length.ts';

const allowances = { leaseGraceSeconds: 60 };

describe('neededLeaseSeconds', () => {
  it('is timeout and grace, and setup before the commit is prepared: as long as the task may take (lesson 8)', () => {
    expect(neededLeaseSeconds(300, 0, allowances)).toBe(360);
    expect(neededLeaseSeconds(300, 600, allowances)).toBe(960);
  });

  it('is whole seconds, rounded up', () => {
    expect(neededLeaseSeconds(0.2, 0, { leaseGraceSeconds: 0 })).toBe(1);
    expect(neededLeaseSeconds(1.2, 0, allowances)).toBe(62);
  });

  it('holds the longest task there can be, within the 12 hours that SQS gives', () => {
    const needed = neededLeaseSeconds(MAX_TIMEOUT_SECONDS, 600, allowances);

    expect(needed).toBe(MAX_TIMEOUT_SECONDS + 660);
    expect(needed).toBeLessThanOrEqual(12 * 3600);
    expect(neededLeaseSeconds(MAX_TIMEOUT_SECONDS, 7_200, allowances)).toBe(12 * 3600 - 120);
  });
});

describe('waitingLeaseSeconds', () => {
  it('leaves what is needed after a wait of a quarter of it, unless no lease can be that long', () => {
    expect(waitingLeaseSeconds(360)).toBe(480);
    expect(waitingLeaseSeconds(32_310)).toBe(43_080);
    expect(waitingLeaseSeconds(32_311)).toBeNull();
  });
});
