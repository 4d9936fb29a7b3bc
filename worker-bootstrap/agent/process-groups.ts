/**
 * The process groups that this machine runs, each recorded as a file `groups/{pgid}` while it lives, so that
 * `bootstrap.sh` can end them if the agent dies. The file holds the start time of the group's leader: a process of the
 * same number with another start time is somebody else.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class ProcessGroups {
  readonly #folder: string;

  constructor(workDir: string) {
    this.#folder = join(workDir, 'groups');
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Synchronous on purpose: no turn of the event loop may pass between the start of a group and its record. */
  record(pgid: number): void {
    writeFileSync(join(this.#folder, String(pgid)), `${startTimeOf(pgid) ?? ''}\n`);
  }

  forget(pgid: number): void {
    rmSync(join(this.#folder, String(pgid)), { force: true });
  }
}

/** Signals every process of a group. A group that is gone is no error. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pgid, signal);
  } catch {
    // ESRCH: it ended before. EPERM: only strangers are left under that number.
  }
}

/** Field 22 of `/proc/{pid}/stat`, in clock ticks since boot (proc_pid_stat(5)); `undefined` where there is no /proc. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command's name in brackets and may hold blanks and brackets itself.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
