/** Ends every machine that a run has started, its tasks included. */
import { join } from 'node:path';
import { LocalInstanceProvider } from '../adapters/local/local-instance-provider.ts';
import { readMachines } from '../adapters/local/local-machine.ts';
import { PROJECT_ROOT } from './project-root.ts';

/** What each local machine runs first. */
export const BOOTSTRAP_PATH = join(PROJECT_ROOT, 'worker-bootstrap', 'bootstrap.sh');

/** What a machine gets to put things in order: an agent gives its tasks back. */
const GRACE_SECONDS = 5;

/** @param instancesDirectory where the machines of the run are written down; none there, none ended */
export async function endLocalInstances(instancesDirectory: string, graceSeconds = GRACE_SECONDS): Promise<void> {
  const provider = new LocalInstanceProvider({
    stateDir: instancesDirectory,
    bootstrapPath: BOOTSTRAP_PATH,
    baseEnvironment: {},
    graceSeconds,
  });
  await provider.terminateAll();
}

/** The process groups of machines that have a member yet. A group that is another's by now counts, too: it errs to the loud side. */
export async function localInstancesLeft(instancesDirectory: string): Promise<number[]> {
  const machines = await readMachines(instancesDirectory);
  return machines.map((machine) => machine.pid).filter(hasGroup);
}

function hasGroup(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it is there, and somebody else's
  }
}
