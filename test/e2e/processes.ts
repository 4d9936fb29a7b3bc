/** Processes of this machine by what is in their environment or command line (Linux: /proc). */
import { readdir, readFile } from 'node:fs/promises';

export interface RunningProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes, zombies left out, whose environment or command line contains `text`. */
export async function processesWith(text: string): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid): Promise<RunningProcess[]> => {
      // A process that ends while it is looked at is none.
      const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
      const [environment, command, stat] = await Promise.all([read('environ'), read('cmdline'), read('stat')]);
      const zombie = / Z /.test(stat.slice(stat.lastIndexOf(')')));
      if (zombie || !(environment.includes(text) || command.includes(text))) return [];
      return [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }];
    }),
  );
  return found.flat();
}
