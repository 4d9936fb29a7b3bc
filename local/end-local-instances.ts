/** Ends every machine that a run has started, its tasks included. */
import { join } from 'node:path';
import { LocalInstanceProvider } from '../adapters/local/local-instance-provider.ts';
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
