/**
 * One fleet, one tick: gather → reconcile → plan → act. Two runs at once are harmless: what is to be launched is written
 * as an intent by compare-and-set before anything is launched, and the loser launches nothing.
 */
import type { Fleet } from '../../core/fleet.ts';
import { PRIORITIES } from '../../core/ids.ts';
import { hasEnded, type Instance, type LaunchIntent } from '../../core/instance.ts';
import { machineEnvironment } from '../../core/machine-environment.ts';
import { planScale, type QueueDepth, type ScalePlan } from '../../core/plan-scale.ts';
import type { Clock, FleetState, FleetStore, InstanceProvider, JobProgress, TaskQueues } from '../../core/ports.ts';
import { reconcileInstances } from '../../core/reconcile-instances.ts';
import type { GoneMachine } from './lost-machines.ts';
import { type LaunchSettings, launchedInstance, openWork } from './scale-snapshot.ts';

export interface ScaleSettings extends LaunchSettings {
  /** Instead of the fleet's own: machines that cost nothing need not be filled. */
  readonly drainTargetSeconds: number | null;
  /** From launch to the first task, until the fleet's machines have told. */
  readonly bootSeconds: number;
  readonly unknownSecondsPerTask: number;
  /** An intent that was not found by then is given up. */
  readonly intentSeconds: number;
  /** A machine may be missing from the provider's list for so long after its launch. */
  readonly listGraceSeconds: number;
}

export interface ScalePorts {
  readonly fleets: FleetStore;
  readonly queues: TaskQueues;
  readonly providerOf: (fleet: Fleet) => InstanceProvider | undefined;
  readonly clock: Clock;
  readonly newIntentId: () => string;
  /** Gives what machines held that are gone back to others (lost-machines.ts). May be repeated. */
  readonly takeBackTasks: (machines: readonly GoneMachine[]) => Promise<number>;
}

export interface ScaledFleet {
  readonly fleet: string;
  readonly plan: ScalePlan;
  readonly launched: number;
  readonly terminated: number;
}

/** @param jobs the fleet's open jobs @throws whatever a port throws; nothing is launched without a recorded intent */
export async function scaleFleet(
  fleet: Fleet,
  jobs: readonly JobProgress[],
  ports: ScalePorts,
  settings: ScaleSettings,
): Promise<ScaledFleet> {
  const provider = ports.providerOf(fleet);
  const { state, instances } = await knownMachines(fleet, provider, ports, settings);
  const now = ports.clock.now();
  const plan = planScale(
    {
      now,
      depth: jobs.length > 0 ? await totalDepth(fleet, ports.queues) : { visible: 0, inFlight: 0, delayed: 0 },
      jobs: jobs.map((job) => openWork(job, fleet.slot, now)),
      instances,
      intents: state.intents,
    },
    {
      minInstances: fleet.minInstances,
      maxInstances: fleet.maxInstances,
      slotsPerInstance: settings.slotsPerInstance,
      // What a machine may cost at most, until it is known which one it will be.
      hourlyPriceUsd: provider?.name === 'local' ? 0 : fleet.maxHourlyPriceUsd,
      drainTargetSeconds: settings.drainTargetSeconds ?? fleet.drainTargetSeconds,
      bootSeconds: settings.bootSeconds,
      idleSeconds: fleet.idleSeconds,
      unknownSecondsPerTask: settings.unknownSecondsPerTask,
    },
  );
  if (!provider) return recordOnly(fleet, plan, state, ports);

  // Stop the cost first: what must end is ended before anything new is started.
  await endOverdue(fleet, plan, provider, ports);
  const launched = plan.launch > 0 ? await launch(fleet, plan, state, provider, ports, settings) : 0;
  if (plan.launch === 0) await recordPlan(fleet, plan, state, ports);
  return { fleet: fleet.name, plan, launched, terminated: plan.terminate.length };
}

/** Rows held against the provider's list: lost machines are closed, machines without a row are adopted. */
async function knownMachines(
  fleet: Fleet,
  provider: InstanceProvider | undefined,
  ports: ScalePorts,
  settings: ScaleSettings,
): Promise<{ state: FleetState; instances: readonly Instance[] }> {
  const known = await ports.fleets.read(fleet.name);
  const needed = known.instances.length > 0 || known.state.intents.length > 0;
  if (!provider || !needed) return known;
  const observed = await provider.list(fleet.name);
  const { intents } = known.state;
  const found = reconcileInstances(known.instances, observed, intents, ports.clock.now(), settings.listGraceSeconds);
  // First, while their rows still say that they run: a run that dies here finds them again.
  const lost = found.ended.filter(({ state }) => state !== 'TERMINATED');
  await ports.takeBackTasks(lost.map(({ instanceId, stateReason }) => ({ instanceId, reason: stateReason ?? 'gone' })));
  for (const { instanceId, state, stateReason: reason, endedAt } of found.ended) {
    await ports.fleets.updateInstance(fleet.name, instanceId, { state, reason, at: endedAt ?? '' });
  }
  const adopted = found.adopt.map((machine) =>
    launchedInstance(
      fleet,
      provider.name,
      machine.intentId,
      { ...machine, instanceType: 'unknown', hourlyPriceUsd: 0 },
      settings,
    ),
  );
  if (adopted.length + found.ended.length === 0) return known;
  await ports.fleets.addInstances(adopted);
  // Read again: what an adopted machine has said of itself stays, it may be READY long since.
  return ports.fleets.read(fleet.name);
}

async function totalDepth(fleet: Fleet, queues: TaskQueues): Promise<QueueDepth> {
  const depths = await Promise.all(PRIORITIES.map((priority) => queues(fleet.name, priority).depth()));
  const sum = (of: 'visible' | 'inFlight' | 'delayed'): number => depths.reduce((total, depth) => total + depth[of], 0);
  return { visible: sum('visible'), inFlight: sum('inFlight'), delayed: sum('delayed') };
}

async function endOverdue(
  fleet: Fleet,
  plan: ScalePlan,
  provider: InstanceProvider,
  { fleets, clock, takeBackTasks }: ScalePorts,
): Promise<void> {
  if (plan.terminate.length === 0) return;
  await provider.terminate(plan.terminate.map((each) => each.instanceId));
  await takeBackTasks(plan.terminate);
  const at = clock.now().toISOString();
  for (const { instanceId, reason } of plan.terminate) {
    const state = reason.endsWith('lifetime') ? 'TERMINATED' : 'FAILED';
    await fleets.updateInstance(fleet.name, instanceId, { state, reason, at });
  }
}

async function launch(
  fleet: Fleet,
  plan: ScalePlan,
  state: FleetState,
  provider: InstanceProvider,
  ports: ScalePorts,
  settings: ScaleSettings,
): Promise<number> {
  const now = ports.clock.now();
  const intent: LaunchIntent = {
    intentId: ports.newIntentId(),
    count: plan.launch,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + settings.intentSeconds * 1_000).toISOString(),
  };
  const intents = [...liveIntents(state, now), intent];
  const next = { intents, lastPlan: { ...plan, at: now.toISOString() } };
  // Lost the race: another run saw the same need and launches for it.
  if (!(await ports.fleets.writeState(fleet.name, next, state.version))) return 0;

  const { launched, errors } = await provider.launch({
    fleet: fleet.name,
    intentId: intent.intentId,
    count: intent.count,
    environment: machineEnvironment(fleet, settings, settings.slotsPerInstance),
  });
  await ports.fleets.addInstances(
    launched.map((machine) => launchedInstance(fleet, provider.name, intent.intentId, machine, settings)),
  );
  // The intent has done its work: its machines have rows now, and what was not launched is wanted again at the next
  // tick. A run that dies before this leaves it to count as machines until they are found or it expires.
  const reasons = [...plan.reasons, ...errors.map((error) => `not launched: ${error.message}`)];
  const settled = { intents: liveIntents(state, now), lastPlan: { ...plan, reasons, at: now.toISOString() } };
  await ports.fleets.writeState(fleet.name, settled, state.version + 1);
  return launched.length;
}

const liveIntents = (state: FleetState, now: Date): LaunchIntent[] =>
  state.intents.filter((intent) => Date.parse(intent.expiresAt) > now.getTime());

/** A plan that changes nothing is written only when it says something new. */
async function recordPlan(fleet: Fleet, plan: ScalePlan, state: FleetState, ports: ScalePorts): Promise<void> {
  const now = ports.clock.now();
  const same = JSON.stringify(state.lastPlan?.reasons) === JSON.stringify(plan.reasons);
  if (same) return;
  const next = { intents: liveIntents(state, now), lastPlan: { ...plan, at: now.toISOString() } };
  // Whoever wrote in between has the newer plan.
  await ports.fleets.writeState(fleet.name, next, state.version);
}

async function recordOnly(fleet: Fleet, plan: ScalePlan, state: FleetState, ports: ScalePorts): Promise<ScaledFleet> {
  const reasons = [...plan.reasons, `this version cannot launch machines at "${fleet.provider}" yet`];
  const told = { ...plan, launch: 0, terminate: [], reasons };
  await recordPlan(fleet, told, state, ports);
  return { fleet: fleet.name, plan: told, launched: 0, terminated: 0 };
}

/** Whether the fleet may have machines that no open job explains any more. */
export const hasLiveMachines = (instances: readonly Instance[]): boolean =>
  instances.some((each) => !hasEnded(each.state));
