import { describe, expect, it } from 'vitest';
import { jobFactory } from '../test/factories/job.ts';
import { at } from '../test/factories/manual-clock.ts';
import { laterRunCounts, OVERRIDES, retryDocument, retryRequestSchema } from './job-retry.ts';
import { jobSubmissionSchema } from './job-submission.ts';
import type { TaskStatus } from './task.ts';

describe('a retry as a submission', () => {
  const withTasks = (document: Record<string, unknown>) => ({ ...document, tasks: [{ input: 1 }] });

  it('says of every setting what the job says', () => {
    const job = jobFactory({ priority: 'high', maxInstances: 3, budgetUsd: 2, timeoutSeconds: 7, expectedSeconds: 5 });

    const submission = jobSubmissionSchema.parse(withTasks(retryDocument(job, {})));

    const { commit: _commit, ...code } = job.code;
    const { name, fleet, retry, maxDurationSeconds, resources } = job;
    expect(submission).toMatchObject({ name, fleet, retry, maxDurationSeconds, resources, code });
    expect(submission).toMatchObject({ priority: 'high', maxInstances: 3, budgetUsd: 2, timeoutSeconds: 7 });
  });

  it('takes over neither a deadline nor allowed failures', () => {
    const document = retryDocument(jobFactory({ deadline: at(1), allowedFailures: 5 }), {});

    expect(jobSubmissionSchema.parse(withTasks(document))).toMatchObject({ deadline: null, allowedFailures: 0 });
  });

  it('says anew what the user says anew, and nothing that is not theirs to say', () => {
    const overrides = { name: 'again', deadline: at(9), ref: 'v2', taskToken: 'x', status: 'COMPLETED' };

    const document = retryDocument(jobFactory(), overrides);

    expect(document).toMatchObject({ name: 'again', deadline: at(9), code: { ref: 'v2', run: ['node', 'count.js'] } });
    expect(Object.keys(document)).not.toEqual(expect.arrayContaining(['taskToken']));
    expect(document).not.toHaveProperty('status');
  });

  it('passes every setting of a submission through to where it is checked', () => {
    const document = Object.fromEntries(OVERRIDES.map((name) => [name, null]));

    expect(retryRequestSchema.safeParse(document).success).toBe(true);
  });
});

describe('of two runs of a task', () => {
  it.each<[TaskStatus, TaskStatus, boolean]>([
    ['FAILED', 'COMPLETED', true],
    ['CANCELLED', 'COMPLETED', true],
    ['COMPLETED', 'COMPLETED', true],
    ['FAILED', 'FAILED', true],
    ['CANCELLED', 'FAILED', true],
    ['COMPLETED', 'FAILED', false],
    ['FAILED', 'CANCELLED', false],
    ['FAILED', 'RUNNING', false],
    ['CANCELLED', 'PENDING', false],
  ])('%s, then %s: whether the later one counts is %s', (before, later, counts) => {
    expect(laterRunCounts({ status: before }, { status: later })).toBe(counts);
  });
});
