/**
 * Machines that are process groups of this one: each runs the same `bootstrap.sh` as a real one. Nothing is kept in
 * memory; a new process over the same `stateDir` sees the same machines.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { LaunchedInstance, LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { surroundings } from './config.ts';
import { claimLaunch, releaseClaim } from './launch-claims.ts';
import {
  endRemains,
  isMachineAlive,
  type LocalMachine,
  placesOf,
  readMachine,
  readMachines,
  writeMachine,
} from './local-machine.ts';
import { signalGroup, startTimeOf } from './process-liveness.ts';

export interface LocalInstanceProviderOptions {
  /** An absolute path. */
  readonly stateDir: string;
  readonly bootstrapPath: string;
  /** Unless the launch request says otherwise. */
  readonly slots?: number;
  /** For every machine: addresses of the emulators and of the metadata server, where the agent is. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** What a machine gets between SIGTERM and SIGKILL. */
  readonly graceSeconds?: number;
  /** How long an ended machine is still listed. */
  readonly listEndedSeconds?: number;
  readonly now?: () => Date;
}

const LOOK_MS = 25;
/** Requests to an emulator are free, and a shutdown waits for the poll in flight. */
const POLL_SECONDS = '2';

export class LocalInstanceProvider implements InstanceProvider {
  readonly name = 'local';
  readonly #options: Required<LocalInstanceProviderOptions>;

  constructor(options: LocalInstanceProviderOptions) {
    this.#options = { slots: 1, graceSeconds: 5, listEndedSeconds: 3_600, now: () => new Date(), ...options };
  }

  async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const ordinals = Array.from({ length: request.count }, (_, ordinal) => ordinal);
    const outcomes = await Promise.allSettled(ordinals.map((ordinal) => this.#launchOne(request, ordinal)));
    return {
      launched: outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
      errors: outcomes.flatMap((outcome) =>
        outcome.status === 'rejected'
          ? [
              {
                code: 'LaunchFailed',
                kind: 'unknown' as const,
                message: String(outcome.reason),
                retryable: true,
                pools: [],
              },
            ]
          : [],
      ),
    };
  }

  async list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    const { stateDir, listEndedSeconds, now } = this.#options;
    const oldest = now().getTime() - listEndedSeconds * 1_000;
    const machines = (await readMachines(stateDir)).filter(
      (machine) => fleets.length === 0 || fleets.includes(machine.fleet),
    );
    const observed = await Promise.all(
      machines.map(async (machine): Promise<ObservedInstance> => {
        const { instanceId, fleet, intentId, launchedAt } = machine;
        const running = await isMachineAlive(machine);
        if (!running) await endRemains(stateDir, machine);
        // One that is taken back, by its imitated metadata server, says so itself.
        return { instanceId, fleet, intentId, launchedAt, running, ...(running ? {} : { interrupted: false }) };
      }),
    );
    return observed.filter((each) => each.running || Date.parse(each.launchedAt) >= oldest);
  }

  async terminate(instanceIds: readonly string[]): Promise<void> {
    const { stateDir } = this.#options;
    const machines = await Promise.all(instanceIds.map((instanceId) => readMachine(stateDir, instanceId)));
    await Promise.all(machines.map((machine) => machine && this.#end(machine)));
  }

  /** Ends every machine of the folder, of whatever fleet. */
  async terminateAll(): Promise<void> {
    const machines = await readMachines(this.#options.stateDir);
    await Promise.all(machines.map((machine) => this.#end(machine)));
  }

  async #launchOne(request: LaunchRequest, ordinal: number): Promise<LaunchedInstance> {
    const { stateDir, now } = this.#options;
    const own = `local-${randomBytes(6).toString('hex')}`;
    const launchedAt = now().toISOString();
    const { claimed, instanceId } = await claimLaunch(stateDir, request.intentId, ordinal, own);
    if (!claimed) {
      const known = await readMachine(stateDir, instanceId);
      return launchedInstance(instanceId, known?.launchedAt ?? launchedAt);
    }
    const { fleet, intentId } = request;
    const { pid, startedAt } = await this.#boot(instanceId, request).catch(async (error: unknown) => {
      await releaseClaim(stateDir, intentId, ordinal);
      throw error;
    });
    await writeMachine(stateDir, { instanceId, fleet, intentId, pid, startedAt, launchedAt });
    return launchedInstance(instanceId, launchedAt);
  }

  async #boot(instanceId: string, request: LaunchRequest): Promise<Pick<LocalMachine, 'pid' | 'startedAt'>> {
    const { stateDir, bootstrapPath, slots, baseEnvironment } = this.#options;
    const { root, log, work } = placesOf(stateDir, instanceId);
    await mkdir(root, { recursive: true });
    await using output = await open(log, 'a');
    const child = spawn('bash', [bootstrapPath], {
      cwd: root,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: {
        ...surroundings(),
        SHOAL_SLOTS: String(slots),
        SHOAL_POLL_SECONDS: POLL_SECONDS,
        ...baseEnvironment,
        ...request.environment,
        ...noticesOf(instanceId, request.environment['SHOAL_PROVIDER'], baseEnvironment['SHOAL_METADATA_URL']),
        SHOAL_INSTANCE_ID: instanceId,
        SHOAL_WORK_DIR: work,
      },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    // A machine that ended within this moment has no start time: it is listed as ended, which it is.
    return { pid, startedAt: (await startTimeOf(pid)) ?? 'unknown' };
  }

  async #end(machine: LocalMachine): Promise<void> {
    const { stateDir, graceSeconds } = this.#options;
    if (await isMachineAlive(machine)) {
      signalGroup(machine.pid, 'SIGTERM');
      const deadline = performance.now() + graceSeconds * 1_000;
      while (performance.now() < deadline && (await isMachineAlive(machine))) await delay(LOOK_MS);
      if (await isMachineAlive(machine)) signalGroup(machine.pid, 'SIGKILL');
    }
    await endRemains(stateDir, machine);
  }
}

/** What gives notice here, if anything does, speaks as the fleet's provider would; as AWS where that is the user. */
function noticesOf(instanceId: string, provider = 'aws', url?: string): Readonly<Record<string, string>> {
  if (!url) return { SHOAL_PROVIDER: 'external' };
  const own = provider === 'external' ? 'aws' : provider;
  return { SHOAL_PROVIDER: own, SHOAL_METADATA_URL: `${url}/${instanceId}` };
}

const launchedInstance = (instanceId: string, launchedAt: string): LaunchedInstance => ({
  instanceId,
  instanceType: 'local',
  hourlyPriceUsd: 0,
  launchedAt,
});
