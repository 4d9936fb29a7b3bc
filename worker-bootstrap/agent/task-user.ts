/**
 * The user of a machine that its commands run as. They can then read nothing that is the agent's: neither its environment
 * nor its log, nor, where bootstrap.sh could see to it, the credentials of the machine's role. Where there is no such
 * user (a local machine), commands run as whoever runs the agent.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface TaskUser {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);

/** A folder that only the agent may enter until it is handed over. */
export const PRIVATE = 0o700;

/** Gives a folder with all that is in it to the user: links are changed, not followed, and the folder itself comes last. */
export async function handOverTree(user: TaskUser | null, folder: string): Promise<void> {
  if (user) await run('chown', ['-R', '-h', `${user.uid}:${user.gid}`, '--', folder]);
}

/**
 * Removes what the user may have written to. Node's `rm` goes by paths, in which a process that is still there could put a
 * link under its way; that of the system holds on to the folders that it is in.
 */
export async function removeTree(user: TaskUser | null, folder: string): Promise<void> {
  if (user) await run('rm', ['-rf', '--', folder]);
  else await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
