/** What the control plane itself says of a task: of the first attempt of the first task, unless overridden. */
import type { CancelRequest, DeadLetteredReport, LostReport } from '../../core/task-report.ts';
import { jobIdFactory, taskIdFactory } from './ids.ts';
import { at } from './manual-clock.ts';

const task = () => ({ taskId: taskIdFactory(), jobId: jobIdFactory() });

export const lostReport = (overrides: Partial<LostReport> = {}): LostReport => ({
  kind: 'lost',
  ...task(),
  attempt: 1,
  leaseId: 'lease-1',
  instanceId: 'i-1',
  at: at(40),
  reason: 'the machine is gone',
  ...overrides,
});

export const deadLetteredReport = (overrides: Partial<DeadLetteredReport> = {}): DeadLetteredReport => ({
  kind: 'dead-lettered',
  ...task(),
  attempt: 1,
  at: at(40),
  ...overrides,
});

export const cancelRequest = (overrides: Partial<CancelRequest> = {}): CancelRequest => ({
  kind: 'cancel-requested',
  ...task(),
  at: at(40),
  ...overrides,
});
