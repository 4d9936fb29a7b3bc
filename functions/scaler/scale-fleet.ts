/**
 * One fleet, one tick: gather → reconcile → plan → act. Two runs at once are harmless: what is to be launched is written
 * as an intent by compare-and-set before anything is launched, and the loser launches nothing.
 *
 * The cost is stopped first: what must end is ended before anything new is started, and told after it has ended.
 */
import type { Choice } from '../../core/choose-instances.ts';
import type { Fleet } from '../../core/fleet.ts';
import { type Sighting, troubleAfter } from '../../core/fleet-trouble.ts';
import { hasEnded, isAnyReady, isBooting } from '../../core/instance.ts';
import { type BootFailure, type BootRecord, type LaunchAllowance, launchAllowance } from '../../core/launch-breaker.ts';
import { isOwn } from '../../core/own-machines.ts';
import { type OpenWork, planScale, type QueueDepth, type ScalePlan } from '../../core/plan-scale.ts';
import type { FleetRead, FleetState, InstanceProvider } from '../../core/ports.ts';
import { chooseMachines, type MachineChoice } from './choose-machines.ts';
import { endOverdue } from './end-overdue.ts';
import type { FleetJob } from './fleet-job.ts';
import { endUnknown, type KnownMachines, knownMachines } from './known-machines.ts';
import { type Launched, launchMachines, liveIntents } from './launch-machines.ts';
import { tendOwnMachines } from './own-machines.ts';
import { depthOf } from './queue-depth.ts';
import { recordPlan } from './record-plan.ts';
import type { ScaledFleet, ScalePorts, ScaleSettings } from './scale-ports.ts';
import { openWork } from './scale-snapshot.ts';
import { noteTakenBack } from './taken-back.ts';
import { tellJobs } from './tell-jobs.ts';

/**
 * @param jobs the fleet's open jobs, each with the fleet's part of it
 * @returns undefined for a fleet in which nothing is and nothing is to be
 * @throws whatever a port throws; nothing is launched without a recorded intent
 */
export async function scaleFleet(
  fleet: Fleet,
  jobs: readonly FleetJob[],
  ports: ScalePorts,
  settings: ScaleSettings,
): Promise<ScaledFleet | undefined> {
  const provider = ports.providerOf(fleet);
  const began = ports.clock.now();
  const work = jobs.map((job) => openWork(job, fleet.slot, began));
  const rented = work.length > 0 ? await offersFor(fleet, ports) : undefined;
  const assumed = { ...settings, drainTargetSeconds: settings.drainTargetSeconds ?? fleet.drainTargetSeconds };
  const choose = chooser((state) =>
    rented?.offers
      ? chooseMachines(fleet, work, rented.offers, state.stockOuts ?? [], began, assumed)
      : { choices: [], problem: rented?.problem ?? null },
  );
  const reportsUntil = once(async () => (ports.statusFlow ? ports.statusFlow.appliedUntil() : ports.clock.now()));
  const found = await knownMachines(fleet, provider, ports, settings, (state) => choose(state).choices, reportsUntil);
  const known = { ...found, state: noteTakenBack(found, rented?.offers ?? [], ports.clock.now()) };
  if (jobs.length === 0 && isDeserted(known)) return undefined;
  const { choices, problem } = choose(known.state);

  const depth = await depthOf(fleet, jobs, ports.queues);
  const plan = await planned(fleet, { known, work, depth, choices, reportsUntil }, ports, settings);
  if (isOwn(fleet)) return tendOwnMachines(fleet, jobs, plan, known, ports, reportsUntil);
  if (!provider) return recordOnly(fleet, plan, known.state, ports);
  const looked = { jobs, known, before: found.state, plan, choices, problem, reportsUntil };
  return carryOut(fleet, looked, provider, ports, settings);
}

interface Looked extends MachineChoice {
  readonly jobs: readonly FleetJob[];
  readonly known: KnownMachines;
  /** As it was read. */
  readonly before: FleetState;
  readonly plan: ScalePlan;
  readonly reportsUntil: () => Promise<Date | null>;
}

async function carryOut(
  fleet: Fleet,
  { jobs, known, before, plan, choices, problem, reportsUntil }: Looked,
  provider: InstanceProvider,
  ports: ScalePorts,
  settings: ScaleSettings,
): Promise<ScaledFleet> {
  const failed = await endOverdue(fleet, plan, provider, ports);
  if (known.stopped.length > 0) await provider.terminate(known.stopped);
  const { ended, suspects } = await endUnknown(fleet, provider, known, ports, settings, reportsUntil);
  const state = { ...known.state, suspects: [...suspects, ...known.gone.map(({ mark }) => mark)] };

  const boots = withFailures(known.boots, failed);
  const allowance = allowanceOf(known, boots, ports.clock.now());
  const allowed = limitedTo(plan, allowance, problem, ended);
  const troubleAfterwards = (launched: Launched): FleetState['trouble'] => {
    const now = ports.clock.now();
    return troubleAfter(state.trouble ?? null, sightingOf({ plan, allowance, launched, problem, known }, now), now);
  };
  let launched = NOTHING_LAUNCHED;
  if (allowed.launch > 0) {
    launched = await launchMachines(fleet, allowed, state, provider, choices, ports, settings, troubleAfterwards);
  } else {
    await recordPlan(fleet, allowed, before, { ...state, trouble: troubleAfterwards(launched) }, ports);
  }
  const waiting = jobs.filter(({ part }) => part.openTasks > 0);
  await tellJobs(waiting, { plan, allowance, boots, launched, problem }, ports);
  const terminated = plan.terminate.length + ended.length;
  return { fleet: fleet.name, plan: allowed, launched: launched.count, terminated, breaker: allowance.state };
}

const NOTHING_LAUNCHED: Launched = { count: 0, errors: [] };

interface Seen {
  /** Before it was limited by the breaker. */
  readonly plan: ScalePlan;
  readonly allowance: LaunchAllowance;
  readonly launched: Launched;
  readonly problem: string | null;
  readonly known: FleetRead;
}

/** What this look says of the fleet as a whole: whether work waits for machines that cannot be had. */
function sightingOf({ plan, allowance, launched, problem, known }: Seen, now: Date): Sighting {
  if (launched.failed !== undefined) return { kind: 'cloud', reason: `a launch failed: ${messageOf(launched.failed)}` };
  if (isAnyReady(known.instances)) return { kind: 'well' };
  if (plan.launch > 0 && allowance.state === 'open') {
    const reason = known.boots.lastFailure?.reason ?? 'nobody knows why';
    return { kind: 'boot', reason: `its machines do not boot: ${reason}` };
  }
  const isExpecting = liveIntents(known.state, now).length > 0 || known.instances.some((each) => isBooting(each.state));
  // A trial says nothing before it is ready.
  if (allowance.state !== 'closed' || launched.isLost) return { kind: 'unclear' };
  // Nor does a launch where machines are taken back.
  if (launched.count > 0) return { kind: known.state.trouble?.kind === 'taken' ? 'unclear' : 'well' };
  // Nothing was asked for: that its queues answered is all that was seen.
  if (plan.launch === 0) return { kind: known.state.trouble?.kind === 'cloud' && !isExpecting ? 'well' : 'unclear' };
  const [error] = launched.errors;
  const why = problem ?? error?.message;
  return why ? { kind: 'launch', reason: `it has no machines: ${why}` } : { kind: 'unclear' };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Without prices nothing is launched, but what must end is ended all the same. */
async function offersFor(fleet: Fleet, { offersOf }: ScalePorts) {
  const source = offersOf?.(fleet);
  if (!source) return undefined;
  try {
    return { offers: (await source.list()).offers };
  } catch (error) {
    return { problem: `nothing is launched without prices: ${messageOf(error)}` };
  }
}

interface Gathered {
  readonly known: FleetRead;
  readonly work: readonly OpenWork[];
  readonly depth: QueueDepth | null;
  readonly choices: readonly Choice[];
  readonly reportsUntil: () => Promise<Date | null>;
}

async function planned(
  fleet: Fleet,
  { known, work, depth, choices, reportsUntil }: Gathered,
  { clock, providerOf }: ScalePorts,
  settings: ScaleSettings,
): Promise<ScalePlan> {
  const { state, instances } = known;
  const now = clock.now();
  const late = instances.some((each) => isBooting(each.state) && Date.parse(each.readyDeadlineAt) <= now.getTime());
  // A machine that seems late may have said that it is ready: asked for only when it matters.
  const read = late ? { reportsUntil: (await reportsUntil())?.toISOString() ?? null } : {};
  // What the dearest of them would cost: the budget must hold whichever it will be.
  const rented = choices.length > 0 ? Math.max(...choices.map((each) => each.hourlyPriceUsd)) : fleet.maxHourlyPriceUsd;
  return planScale(
    { now, depth, jobs: work, instances, intents: state.intents, ...read },
    {
      minInstances: fleet.minInstances,
      maxInstances: fleet.maxInstances,
      slotsPerInstance: choices[0]?.slots ?? settings.slotsPerInstance,
      hourlyPriceUsd: isOwn(fleet) || providerOf(fleet)?.name === 'local' ? 0 : rented,
      isOwn: isOwn(fleet),
      drainTargetSeconds: settings.drainTargetSeconds ?? fleet.drainTargetSeconds,
      bootSeconds: settings.bootSeconds,
      idleSeconds: fleet.idleSeconds,
      unknownSecondsPerTask: settings.unknownSecondsPerTask,
    },
  );
}

const withFailures = (boots: BootRecord, failed: readonly BootFailure[]): BootRecord => ({
  failedInARow: boots.failedInARow + failed.length,
  lastFailure: failed.at(-1) ?? boots.lastFailure,
});

function allowanceOf({ instances, gone, state }: KnownMachines, boots: BootRecord, now: Date): LaunchAllowance {
  // One that is gone counts until it is known whether its boot failed.
  const booting = [...instances, ...gone.map(({ row }) => row)].filter((each) => isBooting(each.state)).length;
  const trouble = isAnyReady(instances) ? null : (state.trouble ?? null);
  return launchAllowance(boots, trouble, booting + liveIntents(state, now).length, now);
}

function limitedTo(
  plan: ScalePlan,
  { machines, reason }: LaunchAllowance,
  problem: string | null,
  ended: readonly string[],
): ScalePlan {
  const reasons = [...plan.reasons, ...ended.map((id) => `${id} is known to nobody: it was ended`)];
  if (reason) reasons.push(reason);
  if (plan.launch > 0 && problem) reasons.push(problem);
  return { ...plan, launch: problem ? 0 : Math.min(plan.launch, machines), reasons };
}

async function recordOnly(fleet: Fleet, plan: ScalePlan, state: FleetState, ports: ScalePorts): Promise<ScaledFleet> {
  const reasons = [
    ...plan.reasons,
    `nothing can be launched at "${fleet.provider}": fleets.yml does not declare that cloud`,
  ];
  const told = { ...plan, launch: 0, terminate: [], reasons };
  await recordPlan(fleet, told, state, state, ports);
  return { fleet: fleet.name, plan: told, launched: 0, terminated: 0, breaker: 'closed' };
}

/** Nobody is there, is expected, or is suspected. */
const isDeserted = ({ state, instances, unknown, stopped, gone }: KnownMachines): boolean =>
  instances.every((each) => hasEnded(each.state)) &&
  state.intents.length + unknown.length + stopped.length + gone.length + (state.suspects?.length ?? 0) === 0;

/** Ranking every offer costs more than anything else here: once a tick is enough. */
function chooser(choose: (state: FleetState) => MachineChoice): (state: FleetState) => MachineChoice {
  let chosen: MachineChoice | undefined;
  return (state) => {
    chosen ??= choose(state);
    return chosen;
  };
}

function once<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  let asked: Promise<Value> | undefined;
  return () => {
    asked ??= ask();
    return asked;
  };
}
