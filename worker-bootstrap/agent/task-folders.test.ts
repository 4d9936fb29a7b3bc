import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isRunning } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { type TaskFolder, TaskFolders } from './task-folders.ts';

/** A process that belongs to nobody's group, with a home. */
function strayIn(home: string): ChildProcess & { readonly pid: number } {
  const child = spawn('sleep', ['60'], { env: { HOME: home }, detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const { pid } = child;
  if (pid === undefined) throw new Error('it could not be started');
  return Object.assign(child, { pid });
}

describe('the folder of a task', () => {
  it('goes with its task, and so does every process that has it; those of other tasks stay', async () => {
    const workDir = temporaryFolder();
    const folders = new TaskFolders({ workDir, taskUser: null });
    const [over, other]: TaskFolder[] = [await folders.make('over'), await folders.make('over-2')];
    const strangers = [strayIn(other?.home ?? ''), strayIn(workDir), strayIn(`${workDir}/tasks`)];
    const stray = strayIn(over?.home ?? '');

    await over?.[Symbol.asyncDispose]();

    await until(() => !isRunning(stray.pid), 'it is ended');
    expect(existsSync(over?.home ?? '')).toBe(false);
    expect(strangers.map(({ pid }) => isRunning(pid))).toEqual([true, true, true]);
  });
});
