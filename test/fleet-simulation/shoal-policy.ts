/** Shoal's own policy: the real `planScale`, fed as the scaler feeds it, from the same job rows and counters. */
import type { Fleet } from '../../core/fleet.ts';
import { partOf } from '../../core/fleet-part.ts';
import type { Instance } from '../../core/instance.ts';
import type { Job } from '../../core/job.ts';
import { planScale, type ScalePlan } from '../../core/plan-scale.ts';
import { openWork } from '../../functions/scaler/scale-snapshot.ts';
import { instanceFactory } from '../factories/instance.ts';
import { countersFactory, jobFactory } from '../factories/job.ts';
import type { Policy, SimulatedJob, SimulatedMachine, World } from './simulate.ts';

/** A new job learns the seconds of its tasks from so many of the same command that ended last. */
const LEARNED_FROM_JOBS = 5;

export interface ShoalOptions {
  readonly fleet: Fleet;
  readonly timeoutSeconds: number;
  readonly bootSeconds: number;
  readonly unknownSecondsPerTask: number;
  readonly budgetUsd?: number;
  /** Told of every plan. */
  readonly onPlan?: (plan: ScalePlan, world: World, hourlyPriceUsd: number) => void;
}

export function shoalPolicy(options: ShoalOptions): Policy {
  const { fleet, budgetUsd } = options;
  const jobs = new Map<string, Job>();
  return {
    name: 'Shoal',
    idleSeconds: fleet.idleSeconds,
    plan: (world, rent) => {
      const [best] = rent.choose(world.now, world.waiting);
      const hourlyPriceUsd = best?.hourlyPriceUsd ?? fleet.maxHourlyPriceUsd;
      const now = dateOf(world.now);
      const budgetLeftUsd = budgetUsd === undefined ? null : budgetUsd - world.spentUsd();
      const plan = planScale(
        {
          now,
          depth: { visible: world.waiting, inFlight: world.inFlight, delayed: 0 },
          jobs: [...world.openJobs.values()].map((each) => {
            const job = jobs.get(each.jobId) ?? jobOf(each, world, options);
            jobs.set(each.jobId, job);
            const counters = countersFactory(each);
            const startedAt = each.firstStartSeconds === null ? null : dateOf(each.firstStartSeconds).toISOString();
            const progress = { job: { ...job, startedAt }, counters };
            const part = partOf(progress, fleet.name, new Map(), now);
            const work = openWork({ ...progress, part }, fleet.slot, now);
            return { ...work, budgetLeftUsd };
          }),
          instances: [...world.machines].map(instanceOf),
          intents: [],
        },
        {
          minInstances: fleet.minInstances,
          maxInstances: rent.maxInstances,
          slotsPerInstance: best?.slots ?? 1,
          hourlyPriceUsd,
          drainTargetSeconds: fleet.drainTargetSeconds,
          unknownSecondsPerTask: options.unknownSecondsPerTask,
          bootSeconds: options.bootSeconds,
          idleSeconds: fleet.idleSeconds,
        },
      );
      options.onPlan?.(plan, world, hourlyPriceUsd);
      return { launch: plan.launch };
    },
  };
}

const EPOCH = Date.parse('2026-03-01T00:00:00.000Z');
const dateOf = (seconds: number): Date => new Date(EPOCH + seconds * 1_000);

const jobOf = (
  { jobId, taskCount, arrivalSeconds }: SimulatedJob,
  world: World,
  { timeoutSeconds }: ShoalOptions,
): Job => {
  const earlier = world.closedJobs.slice(-LEARNED_FROM_JOBS);
  const completed = earlier.reduce((sum, job) => sum + job.completed, 0);
  const seconds = earlier.reduce((sum, job) => sum + job.completedSeconds, 0);
  return jobFactory({
    jobId,
    status: 'RUNNING',
    taskCount,
    timeoutSeconds,
    learnedSeconds: completed > 0 ? seconds / completed : null,
    createdAt: dateOf(arrivalSeconds).toISOString(),
    // All of a job's tasks are there at once.
    enqueuedAt: dateOf(arrivalSeconds).toISOString(),
  });
};

const rows = new WeakMap<SimulatedMachine, { readonly key: string; readonly row: Instance }>();

/** The row of a machine, made anew only when its state has changed: there are thousands of plans. */
function instanceOf(machine: SimulatedMachine): Instance {
  const state = machine.readyAt === null ? 'BOOTING' : machine.draining ? 'DRAINING' : 'READY';
  const known = rows.get(machine);
  if (known?.key === state) return known.row;
  const row = instanceFactory({
    instanceId: `i-${machine.id}`,
    state,
    intentId: null,
    slots: machine.slots,
    hourlyPriceUsd: machine.pool.offer.hourlyPriceUsd,
    requestedAt: dateOf(machine.launchedAt).toISOString(),
    readyAt: machine.readyAt === null ? null : dateOf(machine.readyAt).toISOString(),
    readyDeadlineAt: dateOf(machine.launchedAt + 300).toISOString(),
    expiresAt: dateOf(machine.expiresAt).toISOString(),
  });
  rows.set(machine, { key: state, row });
  return row;
}
