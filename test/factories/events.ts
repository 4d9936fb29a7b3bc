/** Reports as an agent sends them: on the first attempt of the first task, unless overridden. */
import type { InstanceEvent, TaskEvent } from '../../core/messages.ts';
import { jobIdFactory, taskIdFactory } from './ids.ts';
import { at } from './manual-clock.ts';
import { failureFactory } from './task-record.ts';

type Event<Kind extends TaskEvent['kind']> = Extract<TaskEvent, { kind: Kind }>;
type Overrides<Kind extends TaskEvent['kind']> = Partial<Omit<Event<Kind>, 'kind'>>;

const report = () => ({
  taskId: taskIdFactory(),
  jobId: jobIdFactory(),
  attempt: 1,
  receiveCount: 1,
  leaseId: 'lease-1',
  instanceId: 'i-1',
});

export const startedEvent = (overrides: Overrides<'started'> = {}): Event<'started'> => ({
  kind: 'started',
  ...report(),
  at: at(10),
  ...overrides,
});

export const completedEvent = (overrides: Overrides<'completed'> = {}): Event<'completed'> => ({
  kind: 'completed',
  ...report(),
  at: at(15),
  seconds: 5,
  result: { json: '{"words":6}' },
  ...overrides,
});

/** Fails with exit code 75, which the default policy retries. */
export const failedEvent = (overrides: Overrides<'failed'> = {}): Event<'failed'> => ({
  kind: 'failed',
  ...report(),
  at: at(15),
  seconds: 5,
  failure: failureFactory(),
  ...overrides,
});

export const releasedEvent = (overrides: Overrides<'released'> = {}): Event<'released'> => ({
  kind: 'released',
  ...report(),
  at: at(15),
  seconds: 5,
  cause: 'interrupted',
  reason: 'the machine is being taken back',
  ...overrides,
});

export const instanceEvent = (overrides: Partial<Omit<InstanceEvent, 'kind'>> = {}): InstanceEvent => ({
  kind: 'instance',
  instanceId: 'i-1',
  fleet: 'default',
  state: 'READY',
  reason: null,
  at: at(10),
  ...overrides,
});
