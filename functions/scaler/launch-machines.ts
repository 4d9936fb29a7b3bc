/** A launch: the intent is written before, by compare-and-set, and what came of it after. */
import type { Choice } from '../../core/choose-instances.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { LaunchIntent } from '../../core/instance.ts';
import type { LaunchError } from '../../core/launch.ts';
import { machineEnvironment, settingsFor } from '../../core/machine-environment.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { FleetState, InstanceProvider } from '../../core/ports.ts';
import { rememberStockOuts } from '../../core/stock-outs.ts';
import type { ScalePorts, ScaleSettings } from './scale-ports.ts';
import { launchedInstance } from './scale-snapshot.ts';

/** The machine switches itself off a little after its lifetime; what outlives that too is ended from outside. */
const LIFETIME_MARGIN_SECONDS = 600;

export interface Launched {
  readonly count: number;
  readonly errors: readonly LaunchError[];
  /** Another run launches, or did. */
  readonly isLost?: boolean;
  /** The provider gave no answer, or none that is one. */
  readonly failed?: unknown;
}

export async function launchMachines(
  fleet: Fleet,
  plan: ScalePlan,
  state: FleetState,
  provider: InstanceProvider,
  choices: readonly Choice[],
  ports: ScalePorts,
  settings: ScaleSettings,
  troubleAfter: (launched: Launched) => FleetState['trouble'],
): Promise<Launched> {
  const now = ports.clock.now();
  const after = (seconds: number): string => new Date(now.getTime() + seconds * 1_000).toISOString();
  const intent: LaunchIntent = {
    intentId: ports.newIntentId(),
    count: plan.launch,
    createdAt: now.toISOString(),
    expiresAt: after(settings.intentSeconds),
  };
  const { suspects } = state;
  const next = {
    intents: [...liveIntents(state, now), intent],
    lastPlan: { ...plan, at: now.toISOString() },
    suspects,
    stockOuts: state.stockOuts,
    trouble: state.trouble,
  };
  // Lost the race: another run saw the same need and launches for it.
  if (!(await ports.fleets.writeState(fleet.name, next, state.version))) return { count: 0, errors: [], isLost: true };

  const outcome = provider.launch({
    fleet: fleet.name,
    intentId: intent.intentId,
    count: intent.count,
    environment: machineEnvironment(
      fleet,
      settingsFor(fleet, settings, settings.clouds ?? {}),
      choices.length > 0 ? undefined : settings.slotsPerInstance,
    ),
    choices,
    expiresAt: after(fleet.maxLifetimeHours * 3_600 + LIFETIME_MARGIN_SECONDS),
  });
  const { launched, errors } = await outcome.catch(async (error: unknown) => {
    const trouble = troubleAfter({ count: 0, errors: [], failed: error });
    // The intent stands: something may have been launched.
    await ports.fleets.writeState(fleet.name, { ...next, trouble }, state.version + 1).catch(() => false);
    throw error;
  });
  await ports.fleets.addInstances(
    launched.map((machine) => launchedInstance(fleet, provider.name, intent.intentId, machine, settings)),
  );
  // The intent has done its work: its machines have rows now, and what was not launched is wanted again at the next
  // tick. A run that dies before this leaves it to count as machines until they are found or it expires.
  const reasons = [...plan.reasons, ...errors.map((error) => `not launched: ${error.message}`)];
  const settled = {
    intents: liveIntents(state, now),
    lastPlan: { ...plan, reasons, at: now.toISOString() },
    suspects,
    stockOuts: rememberStockOuts(state.stockOuts ?? [], errors, now),
    trouble: troubleAfter({ count: launched.length, errors }),
  };
  await ports.fleets.writeState(fleet.name, settled, state.version + 1);
  return { count: launched.length, errors };
}

export const liveIntents = (state: FleetState, now: Date): LaunchIntent[] =>
  state.intents.filter((intent) => Date.parse(intent.expiresAt) > now.getTime());
