/**
 * The scaler's promise, as a property: whatever its runs meet (each other, lost answers, their own death between any two
 * calls, machines that end or speak too early), there are never more machines than the fleet may have, and never fewer
 * than it wants once everything answers again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { InMemoryDelayedQueue } from '../../test/fakes/in-memory-delayed-queue.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { InMemoryInstanceProvider } from '../../test/fakes/in-memory-instance-provider.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryStatusFlow } from '../../test/fakes/in-memory-status-flow.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { scale, type TickPorts, type TickSettings } from './scale.ts';

const MAX_INSTANCES = 4;
const fleets = fleetsOf(
  fleetsFileSchema.parse({ fleets: { default: { provider: 'aws', maxInstances: MAX_INSTANCES } } }),
);
const settings: TickSettings = {
  stage: 'test',
  region: 'eu-central-1',
  bucket: 'bucket',
  queueUrlPrefix: 'https://sqs/',
  statusQueueUrl: 'https://sqs/status',
  agentUrl: '',
  agentSha256: '',
  drainTargetSeconds: 60,
  bootSeconds: 60,
  unknownSecondsPerTask: 60,
  readyDeadlineSeconds: 300,
  slotsPerInstance: 1,
  intentSeconds: 120,
  listGraceSeconds: 60,
  sweep: { leaseAllowanceSeconds: 660, settleSeconds: 60 },
};

const FAULTS = ['none', 'launch', 'launched', 'list', 'terminate', 'read', 'write', 'written', 'add'] as const;
type FaultyCall = (typeof FAULTS)[number];

type Step =
  | { readonly kind: 'tick'; readonly runs: number; readonly faults: readonly FaultyCall[] }
  | { readonly kind: 'advance'; readonly seconds: number }
  | { readonly kind: 'ready' | 'lost'; readonly machine: number };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('tick' as const),
    runs: fc.integer({ min: 1, max: 3 }),
    faults: fc.array(fc.constantFrom(...FAULTS), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('advance' as const), seconds: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constantFrom('ready' as const, 'lost' as const), machine: fc.nat(9) }),
);

async function prepare(scheduler: fc.Scheduler, tasks: number) {
  const clock = new ManualClock();
  const tables = new InMemoryTables();
  const store = new InMemoryFleetStore();
  const provider = new InMemoryInstanceProvider({ clock });
  const queues = inMemoryTaskQueues({ clock });
  const statusFlow = new InMemoryStatusFlow({ clock });
  // So long that each task wants a machine of its own.
  const job = jobFactory({ status: 'RUNNING', taskCount: tasks, expectedSeconds: 3_600 });
  tables.jobs.set(job.jobId, { job, counters: countersFactory() });
  const messages = Array.from({ length: tasks }, (_, index) => taskMessageFactory({ taskId: taskIdFactory(index) }));
  await queues('default', 'normal').send(messages);

  let faults: FaultyCall[] = [];
  let intents = 0;
  let most = 0;
  const running = () => [...provider.machines.values()].filter((machine) => machine.running).length;
  const call = async <Result>(before: FaultyCall, work: () => Promise<Result>, after?: FaultyCall): Promise<Result> => {
    const fault = faults[0];
    await scheduler.schedule(Promise.resolve(), before);
    const isOurs = fault === before || (after !== undefined && fault === after);
    if (fault === 'none' || isOurs) faults.shift();
    if (fault === before) throw new TransientError(`no answer: ${before}`);
    const result = await work();
    most = Math.max(most, running());
    if (after !== undefined && fault === after) throw new TransientError(`the answer was lost: ${after}`);
    return result;
  };
  const ports: TickPorts = {
    jobs: new InMemoryJobStore(tables),
    machine: new InMemoryJobMachine(),
    fleets: {
      read: (fleet) => call('read', () => store.read(fleet)),
      writeState: (fleet, next, version) => call('write', () => store.writeState(fleet, next, version), 'written'),
      addInstances: (instances) => call('add', () => store.addInstances(instances)),
      updateInstance: store.updateInstance.bind(store),
      findMany: store.findMany.bind(store),
      listDays: store.listDays.bind(store),
      listEnded: store.listEnded.bind(store),
    },
    queues,
    onJobFailed: () => undefined,
    providerOf: () => ({
      name: provider.name,
      launch: (request) => call('launch', () => provider.launch(request), 'launched'),
      list: (...names) => call('list', () => provider.list(...names)),
      terminate: (instanceIds) => call('terminate', () => provider.terminate(instanceIds)),
    }),
    statusFlow,
    clock,
    newIntentId: () => {
      intents += 1;
      return `intent-${intents}`;
    },
    onFleetFailed: () => undefined,
    onSweepFailed: () => undefined,
    tasks: new InMemoryTaskStore(tables),
    control: new InMemoryControlChannel(),
    delayed: new InMemoryDelayedQueue({ clock }),
    takeBackTasks: async (machines) => machines.length,
  };
  const tick = async (runs: number, withFaults: readonly FaultyCall[]): Promise<void> => {
    faults = [...withFaults];
    await Promise.all(Array.from({ length: runs }, () => scale(fleets, ports, settings)));
    faults = [];
  };
  const report = (instanceId: string): Promise<void> =>
    store.updateInstance('default', instanceId, { state: 'READY', reason: null, at: clock.now().toISOString() });
  const reportAll = async (): Promise<void> => {
    for (const [instanceId, machine] of provider.machines) if (machine.running) await report(instanceId);
  };
  const step = async (next: Step): Promise<void> => {
    if (next.kind === 'tick') return tick(next.runs, next.faults);
    if (next.kind === 'advance') return clock.advance(next.seconds);
    const instanceId = [...provider.machines.keys()][next.machine];
    if (instanceId === undefined || !provider.machines.get(instanceId)?.running) return;
    if (next.kind === 'lost') return provider.end(instanceId);
    await report(instanceId);
  };
  return { clock, tick, step, reportAll, running, most: () => most };
}

describe('any runs of the scaler, overlapping, dying, with answers lost', () => {
  it('never have more machines than the fleet may have, and in the end those it wants (lessons 22 and 25)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(stepArbitrary, { maxLength: 15 }),
        fc.scheduler(),
        async (tasks, steps, scheduler) => {
          const world = await prepare(scheduler, tasks);
          const live = async (): Promise<void> => {
            for (const step of steps) await world.step(step);
            // Everything answers again; whatever was asked for and never came expires, and so does the pause after boots
            // that failed, which is an hour at most.
            for (let look = 0; look < 20; look += 1) {
              world.clock.advance(240);
              await world.tick(1, []);
              await world.reportAll();
            }
          };

          await scheduler.waitFor(live());

          expect(world.most()).toBeLessThanOrEqual(MAX_INSTANCES);
          expect(world.running()).toBe(Math.min(tasks, MAX_INSTANCES));
        },
      ),
      { numRuns: 150 },
    );
  });
});
