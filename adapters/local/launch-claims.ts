/**
 * Claims that make a launch happen once: `{stateDir}/.intents/{intent}/{ordinal}` holds the id of the machine that the
 * intent's n-th launch made. Creating a file exclusively is atomic, across processes too.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const claimFile = (stateDir: string, intentId: string, ordinal: number): string =>
  join(stateDir, '.intents', encodeURIComponent(intentId), String(ordinal));

/** Claims one machine of an intent for `instanceId`; if somebody was faster, says whose it is. */
export async function claimLaunch(
  stateDir: string,
  intentId: string,
  ordinal: number,
  instanceId: string,
): Promise<{ readonly claimed: boolean; readonly instanceId: string }> {
  const file = claimFile(stateDir, intentId, ordinal);
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(file, instanceId, { flag: 'wx' });
    return { claimed: true, instanceId };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return { claimed: false, instanceId: await readFile(file, 'utf8') };
  }
}

/** Gives a claim back whose launch came to nothing: the next try may succeed. */
export async function releaseClaim(stateDir: string, intentId: string, ordinal: number): Promise<void> {
  await rm(claimFile(stateDir, intentId, ordinal), { force: true });
}
