/** Whether a process still lives: its number alone does not say so, because numbers are used again. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A process, told from a later one of the same number by the time of its start. */
export interface ProcessIdentity {
  readonly pid: number;
  /** As the system words it: ticks since boot on Linux, a date elsewhere. Compared, never read. */
  readonly startedAt: string;
}

/** When the process started; `undefined` if there is none, or only a zombie that nobody has reaped. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  return process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
}

export async function isAlive({ pid, startedAt }: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(pid)) === startedAt;
}

/** Signals every process of a group. A group that is gone is no error. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pgid, signal);
  } catch {
    // ESRCH: it ended before. EPERM: only strangers are left under that number.
  }
}

async function startTimeFromProc(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // The second field is a name in brackets and may hold blanks and brackets; state and start time are fields 3 and 22
  // (proc_pid_stat(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && !/^[ZX]/.test(fields[0] ?? '') ? fields[19] : undefined;
}

async function startTimeFromPs(pid: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  const [state, ...start] = stdout.trim().split(/\s+/);
  return state && !state.startsWith('Z') ? start.join(' ') : undefined;
}
