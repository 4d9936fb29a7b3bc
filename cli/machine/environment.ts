/** What a machine of somebody's own gets told, as `NAME=value` lines. */
import { PermanentError } from '../../core/errors.ts';
import type { Fleet } from '../../core/fleet.ts';
import { type MachineSettings, machineEnvironment } from '../../core/machine-environment.ts';
import { isOwn } from '../../core/own-machines.ts';

/** A deployment, or the local run, as a machine needs to know it. */
export interface Joining {
  readonly fleets: readonly Fleet[];
  readonly settings: MachineSettings;
  readonly bootstrapUrl: string;
  /** Beside what the settings say. */
  readonly surroundings: Readonly<Record<string, string>>;
}

export interface OwnMachine {
  /** Seconds, or `never`. */
  readonly idle: string;
  readonly workDir: string;
}

/** @throws PermanentError for a fleet that no machine may join by itself */
export function ownFleet(name: string, fleets: readonly Fleet[]): Fleet {
  const fleet = fleets.find((each) => each.name === name);
  const own = fleets.filter(isOwn).map((each) => each.name);
  const instead = own.length > 0 ? `these are there: ${own.join(', ')}` : 'fleets.yml declares none yet';
  if (!fleet) throw new PermanentError(`there is no fleet ${name}; of provider external ${instead}`);
  if (isOwn(fleet)) return fleet;
  throw new PermanentError(
    `machines of ${name} are launched at "${fleet.provider}": one that joins by itself would be ended as unknown. Of provider external ${instead}`,
  );
}

export const ownMachineEnvironment = (
  fleet: Fleet,
  { settings, surroundings }: Joining,
  { idle, workDir }: OwnMachine,
): Record<string, string> => ({
  ...machineEnvironment(fleet, settings),
  ...surroundings,
  SHOAL_IDLE_SECONDS: idle,
  SHOAL_WORK_DIR: workDir,
});

/** A shell, Docker and Kubernetes read such a line alike only as long as nothing in it needs a quote. */
const PLAIN = /^[\w@%+=:,./-]*$/;

/** @throws PermanentError for a value that those who read the file would take for different ones */
export function environmentFile(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => {
      if (!PLAIN.test(value)) throw new PermanentError(`${name} has a character that an environment file cannot hold`);
      return `${name}=${value}\n`;
    })
    .join('');
}
