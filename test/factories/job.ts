import type { Counters } from '../../core/counters.ts';
import { zeroCounters } from '../../core/counters.ts';
import type { Job } from '../../core/job.ts';
import { COMMIT, jobIdFactory } from './ids.ts';
import { START } from './manual-clock.ts';

/** A job that was just accepted. */
export const jobFactory = (overrides: Partial<Job> = {}): Job => ({
  jobId: jobIdFactory(),
  name: 'word count',
  status: 'PENDING',
  statusReason: null,
  fleet: 'default',
  code: {
    repository: 'https://github.com/acme/word-count',
    ref: 'main',
    commit: COMMIT,
    credential: null,
    setup: null,
    run: ['node', 'count.js'],
    protocol: 'process',
    submodules: false,
    setupTimeoutSeconds: 600,
    env: {},
  },
  taskCount: 3,
  keyed: false,
  resources: null,
  expectedSeconds: null,
  timeoutSeconds: 300,
  maxDurationSeconds: 14 * 86_400,
  allowedFailures: 0,
  retry: { maxAttempts: 3, backoffSeconds: 10, retryOnExitCodes: [75], retryOnTimeout: false },
  priority: 'normal',
  priorities: [],
  maxInstances: null,
  deadline: null,
  budgetUsd: null,
  learnedSeconds: null,
  createdAt: START,
  startedAt: null,
  finishedAt: null,
  problem: null,
  taskToken: null,
  awaits: 'completion',
  retryOf: null,
  rootJobId: null,
  retries: [],
  pausedFor: null,
  enqueuedAt: null,
  sweep: null,
  placement: null,
  moved: null,
  ...overrides,
});

export const countersFactory = (overrides: Partial<Counters> = {}): Counters => ({ ...zeroCounters, ...overrides });
