/**
 * Processes that no signal to their command's group reaches, because they went into a group or session of their own:
 * `setsid`, daemons, `start_new_session` of Python, `detached` of Node. What they inherited still names the folders of this
 * machine that the command was given. One that emptied its environment is found by nobody, and ends with the machine.
 */
import { readdir, readFile } from 'node:fs/promises';

/**
 * Ends every process whose environment names a folder below `parent` that is over. Without `/proc` there is none to be found.
 * @returns the names of the folders that had any
 */
export async function endStrays(parent: string, isOver: (name: string) => boolean): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const pids = await readdir('/proc').catch(() => []);
  for (const pid of pids.filter((name) => /^[1-9]\d*$/.test(name))) {
    const name = await folderOf(pid, parent);
    if (name === undefined || !isOver(name)) continue;
    found.add(name);
    kill(Number(pid));
  }
  return found;
}

/** Never waits for another process with the event loop: one that is short of memory keeps whoever reads this waiting. */
async function folderOf(pid: string, parent: string): Promise<string | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  const start = `=${parent}/`;
  const at = environment.indexOf(start);
  return at < 0 ? undefined : environment.slice(at + start.length).split('/', 1)[0];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended before.
  }
}
