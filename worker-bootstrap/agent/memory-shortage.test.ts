import { describe, expect, it } from 'vitest';
import { type OneTask, runOneTask } from '../testing/run-one-task.ts';
import { kernelKillCount } from './memory-shortage.ts';

/** A task during which the kernel ends a process for want of memory, or does not. */
const run = (script: string, { isShort, ...task }: Partial<OneTask> & { isShort: boolean }) => {
  let kills = 7;
  const killCount = async (): Promise<number> => (isShort ? kills++ : kills);
  return runOneTask({ run: ['sh', '-c', script], killCount, ...task });
};

describe('a command that is killed while the machine runs out of memory', () => {
  it.each([
    ['itself', 'kill -KILL $$'],
    ['as the child of a shell', "sh -c 'kill -KILL $$'; exit $?"],
  ])('has died by a signal, %s, and the reason is named', async (_who, script) => {
    expect(await run(script, { isShort: true })).toMatchObject({
      kind: 'failed',
      failure: { code: 'signal', signal: 'SIGKILL', message: 'was killed: the machine ran out of memory' },
    });
  });

  it('is told so in the jsonl protocol, too', async () => {
    const outcome = await run('read -r line; kill -KILL $$', { isShort: true, protocol: 'jsonl' });

    expect(outcome).toMatchObject({ failure: { message: 'was killed: the machine ran out of memory' } });
  });

  it('has failed of that only if it was killed', async () => {
    expect(await run('exit 3', { isShort: true })).toMatchObject({ failure: { message: 'exited with code 3' } });
    expect(await run('sleep 9', { isShort: true, timeoutSeconds: 0.1 })).toMatchObject({
      failure: { code: 'timeout' },
    });
  });
});

describe('a command that is killed while there is memory', () => {
  it('has died by a signal, or exited as it did', async () => {
    expect(await run('kill -KILL $$', { isShort: false })).toMatchObject({
      failure: { code: 'signal', message: 'was ended by signal SIGKILL' },
    });
    expect(await run('exit 137', { isShort: false })).toMatchObject({ failure: { code: 'exit', exitCode: 137 } });
  });
});

it.skipIf(process.platform !== 'linux')('the kernel tells how many processes it ended for want of memory', async () => {
  expect(await kernelKillCount()).toBeGreaterThanOrEqual(0);
});
