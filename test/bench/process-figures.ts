/** What the processes of a run have used, as the kernel counts it (Linux: /proc, proc(5)). */
import { readdir, readFile } from 'node:fs/promises';

export interface ProcessFigures {
  readonly name: string;
  readonly cpuSeconds: number;
  /** Largest resident set: VmHWM. */
  readonly peakMiB: number;
  /** Whether its memory must not depend on the size of a job. */
  readonly bounded: boolean;
}

/** Clock ticks a second: 100 on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;

interface ProcessState {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly parent: number;
}

/** `undefined` for a process that is gone. */
async function stateOf(pid: number): Promise<ProcessState | undefined> {
  const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const [stat, status] = await Promise.all([read('stat'), read('status')]);
  const peakKiB = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (stat === '' || peakKiB === undefined) return undefined;
  // The second field is a name that may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  return {
    parent: parent ?? 0,
    cpuSeconds: ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND,
    peakMiB: Number(peakKiB) / 1_024,
  };
}

const ROLES = ['function host', 'emulators', 'agent', 'command'] as const;
type Role = (typeof ROLES)[number];

/**
 * Watches the processes of a run until they are asked for. Machines come later than the watch, and commands may end
 * before anybody looks: what is seen once is remembered as it was seen last.
 */
export class ProcessWatch {
  readonly #marker: string;
  /** `null`: a process that is none of ours. */
  readonly #roles = new Map<number, Role | null>();
  readonly #first = new Map<number, number>();
  readonly #last = new Map<number, ProcessState>();

  /** @param marker is in the environment or command line of every process of a machine of this run, and of no other */
  constructor(marker: string) {
    this.#marker = marker;
  }

  async look(): Promise<void> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    await Promise.all(pids.map((pid) => this.#lookAt(pid)));
  }

  /** One line a part, one an agent, and one for all commands together. */
  figures(): ProcessFigures[] {
    return ROLES.flatMap((role) => {
      const all = [...this.#last].flatMap(([pid, { cpuSeconds, peakMiB }]) =>
        this.#roles.get(pid) === role ? [{ cpuSeconds: cpuSeconds - (this.#first.get(pid) ?? 0), peakMiB }] : [],
      );
      const bounded = role === 'agent' || role === 'command';
      if (role !== 'command') {
        return all.map((each, n) => ({ name: role === 'agent' ? `agent ${n + 1}` : role, bounded, ...each }));
      }
      if (all.length === 0) return [];
      const cpuSeconds = all.reduce((sum, each) => sum + each.cpuSeconds, 0);
      return [{ name: 'commands', bounded, cpuSeconds, peakMiB: Math.max(...all.map((each) => each.peakMiB)) }];
    });
  }

  async #lookAt(pid: number): Promise<void> {
    if (this.#roles.get(pid) === null) return;
    const state = await stateOf(pid);
    if (!state) return;
    const role = this.#roles.get(pid) ?? (await this.#roleOf(pid, state.parent));
    if (!role) return;
    // The parts have worked before the watch began; a machine's processes have not.
    const isPart = role === 'function host' || role === 'emulators';
    if (isPart && !this.#first.has(pid)) this.#first.set(pid, state.cpuSeconds);
    this.#last.set(pid, state);
  }

  async #roleOf(pid: number, parent: number): Promise<Role | null> {
    const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    const [environment, command] = await Promise.all([read('environ'), read('cmdline')]);
    const role = this.#judge(environment, command, parent);
    // One that has not become its program yet is looked at again.
    if (role !== null || !environment.includes(this.#marker)) this.#roles.set(pid, role);
    return role;
  }

  #judge(environment: string, command: string, parent: number): Role | null {
    if (parent === process.pid && command.includes('function-host/main.ts')) return 'function host';
    if (parent === process.pid && command.includes('emulators/main.ts')) return 'emulators';
    if (!environment.includes(this.#marker)) return null;
    if (environment.includes('SHOAL_COMMIT=')) return 'command';
    return command.includes('agent.mjs') ? 'agent' : null;
  }
}
