/**
 * What a fleet has: its rows held against what the provider runs. Machines of ours are adopted. What a lost one held goes to
 * others at once; its row is closed when its last words are read.
 */
import type { Choice } from '../../core/choose-instances.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { FleetRead, FleetState, InstanceProvider } from '../../core/ports.ts';
import {
  type GoneInstance,
  type ObservedInstance,
  reconcileInstances,
  sweepUnknown,
} from '../../core/reconcile-instances.ts';
import { closeLost } from './close-lost.ts';
import type { ScalePorts, ScaleSettings } from './scale-ports.ts';
import { launchedInstance } from './scale-snapshot.ts';

export interface KnownMachines extends FleetRead {
  /** Run, but neither row nor intent says why. */
  readonly unknown: readonly ObservedInstance[];
  /** Somebody stopped them: nothing of ours starts one again. */
  readonly stopped: readonly string[];
  /** Run no more, and may have said why in words that wait to be read: `instances` has none of them. */
  readonly gone: readonly GoneInstance[];
  /** Had said nothing: their rows are closed since this look. */
  readonly closed: readonly GoneInstance[];
}

const NOBODY = { unknown: [], stopped: [], gone: [], closed: [] };

/**
 * @param choicesOf what machines of the fleet are rented as: what an adopted one costs follows from its type
 * @param reportsUntil how far reports are read
 */
export async function knownMachines(
  fleet: Fleet,
  provider: InstanceProvider | undefined,
  ports: ScalePorts,
  settings: ScaleSettings,
  choicesOf: (state: FleetState) => readonly Choice[],
  reportsUntil: () => Promise<Date | null>,
): Promise<KnownMachines> {
  const known = await ports.fleets.read(fleet.name);
  const needed = known.instances.length > 0 || known.state.intents.length > 0 || settings.look;
  if (!provider || !needed) return { ...known, ...NOBODY };
  const { machines, askedAt } = await ports.observe(provider);
  const observed = machines.filter((each) => each.fleet === fleet.name);
  const stopped = observed.filter((each) => each.stopped).map((each) => each.instanceId);
  const found = reconcileInstances(known.instances, observed, known.state, askedAt, {
    graceSeconds: settings.listGraceSeconds,
    isSpot: fleet.market !== 'on-demand',
  });
  const closed = await closeLost(fleet, found.gone, ports, reportsUntil);
  const gone = found.gone.filter((each) => !closed.includes(each));
  const adopted = found.adopt.map((machine) =>
    launchedInstance(fleet, provider.name, machine.intentId, rentedAs(machine, choicesOf(known.state)), settings),
  );
  const present = ({ instances, ...read }: FleetRead): KnownMachines => {
    const left = new Set(gone.map(({ row }) => row.instanceId));
    const there = instances.filter((each) => !left.has(each.instanceId));
    return { ...read, instances: there, unknown: found.unknown, stopped, gone, closed };
  };
  if (adopted.length + closed.length === 0) return present(known);
  await ports.fleets.addInstances(adopted);
  // Read again: what an adopted machine has said of itself stays, it may be READY long since.
  return present(await ports.fleets.read(fleet.name));
}

function rentedAs(machine: ObservedInstance, choices: readonly Choice[]) {
  const { instanceId, launchedAt, instanceType = 'unknown' } = machine;
  const choice = choices.find(({ offer }) => offer.instanceType === instanceType);
  return {
    instanceId,
    launchedAt,
    instanceType,
    hourlyPriceUsd: choice?.hourlyPriceUsd ?? 0,
    ...(choice ? { slots: choice.slots } : {}),
  };
}

/**
 * Ends machines that nobody knew at the last look either, and says which ones to suspect at the next. Just before, the rows
 * are read once more: a row may have come meanwhile.
 * @param reportsUntil how far reports are read: a machine that speaks for itself gets a row by its report
 */
export async function endUnknown(
  fleet: Fleet,
  provider: InstanceProvider,
  { unknown, state }: KnownMachines,
  ports: ScalePorts,
  settings: ScaleSettings,
  reportsUntil: () => Promise<Date | null>,
): Promise<{ ended: readonly string[]; suspects: NonNullable<FleetRead['state']['suspects']> }> {
  const now = ports.clock.now();
  const swept = sweepUnknown(unknown, state.suspects ?? [], now, settings.listGraceSeconds);
  if (swept.end.length === 0) return { ended: [], suspects: swept.suspects };
  const read = await reportsUntil();
  const since = new Map(swept.suspects.map((suspect) => [suspect.instanceId, Date.parse(suspect.since)]));
  const outlived = new Set(
    unknown
      .filter(({ launchedAt }) => now.getTime() - Date.parse(launchedAt) > fleet.maxLifetimeHours * 3_600_000)
      .map((each) => each.instanceId),
  );
  const heardOut = (id: string): boolean => outlived.has(id) || (read?.getTime() ?? 0) >= (since.get(id) ?? 0);
  const { instances } = await ports.fleets.read(fleet.name);
  const present = new Set(instances.map((each) => each.instanceId));
  const ended = swept.end.filter((id) => !present.has(id) && heardOut(id));
  if (ended.length > 0) await provider.terminate(ended);
  return { ended, suspects: swept.suspects };
}
