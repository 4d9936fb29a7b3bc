/** One at a time over processes: a file that exists while somebody works, with the number of who does. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const ASK_AGAIN_MS = 100;

/**
 * Runs `work` while no other process runs work under the same lock. The lock of a process that died is taken over.
 * @param path of the lock file; its folder exists
 */
export async function withFileLock<Result>(
  path: string,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  while (!(await tryFileLock(path))) await delay(ASK_AGAIN_MS, undefined, { signal });
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Takes the lock if nobody has it. Removing the file gives it back. */
export async function tryFileLock(path: string): Promise<boolean> {
  if (await create(path)) return true;
  return (await removeIfAbandoned(path)) && create(path);
}

async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false; // a system error: it has a code
    throw error;
  }
}

/** Renaming first lets only one of several waiters remove it, and not a lock that was made anew in between. */
async function removeIfAbandoned(path: string): Promise<boolean> {
  const holder = await readFile(path, 'utf8').catch(() => '');
  // Empty: it was made a moment ago, and its maker is about to write.
  if (holder === '' || isRunning(Number(holder))) return false;
  const aside = `${path}.${process.pid}`;
  await rename(path, aside).catch(() => undefined);
  await rm(aside, { force: true });
  return true;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it runs, as somebody else
  }
}
