import { describe, expect, it } from 'vitest';
import { MAX_TIMEOUT_SECONDS } from '../../core/job-submission.ts';
import { neededLeaseSeconds } from './lease-length.ts';

const allowances = { setupSeconds: 600, leaseGraceSeconds: 60 };

describe('neededLeaseSeconds', () => {
  it('is timeout and grace, and setup before the commit is prepared', () => {
    expect(neededLeaseSeconds(300, true, allowances)).toBe(360);
    expect(neededLeaseSeconds(300, false, allowances)).toBe(960);
  });

  it('is whole seconds, rounded up', () => {
    expect(neededLeaseSeconds(0.2, true, { setupSeconds: 0, leaseGraceSeconds: 0 })).toBe(1);
    expect(neededLeaseSeconds(1.2, true, allowances)).toBe(62);
  });

  it('holds the longest task there can be, within the 12 hours that SQS gives', () => {
    const needed = neededLeaseSeconds(MAX_TIMEOUT_SECONDS, false, allowances);

    expect(needed).toBe(MAX_TIMEOUT_SECONDS + 660);
    expect(needed).toBeLessThanOrEqual(12 * 3600);
    expect(neededLeaseSeconds(MAX_TIMEOUT_SECONDS, false, { ...allowances, setupSeconds: 7_200 })).toBe(12 * 3600);
  });
});
