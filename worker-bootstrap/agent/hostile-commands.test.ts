/** Commands that do what no command should, by mistake or on purpose. */
import { chmodSync, closeSync, existsSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { MAX_INLINE_RESULT_BYTES } from '../../core/messages.ts';
import { type OneTask, runOneTask } from '../testing/run-one-task.ts';
import type { TaskOutcome } from './task-runner.ts';

const sh = (script: string, task: Omit<OneTask, 'run'> = {}): Promise<TaskOutcome> =>
  runOneTask({ ...task, run: ['sh', '-c', script] });

const resultOf = (outcome: TaskOutcome): unknown =>
  outcome.kind === 'completed' && 'json' in outcome.result ? JSON.parse(outcome.result.json) : outcome;

describe('a command that cannot be started', () => {
  it.each([
    ['is a link to itself', () => [loop()], 'command-not-found', /was not found/],
    ['has too long a name', () => ['x'.repeat(300)], 'command-not-found', /^the command `x+` was not found/],
    ['has too long a path', () => [`./${'x/'.repeat(3_000)}`], 'command-not-found', /was not found/],
  ] as const)('fails its task for good, because it %s', async (_what, run, code, message) => {
    const onForget = vi.fn();

    const outcome = await runOneTask({ run: run(), onForget });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code, message: expect.stringMatching(message) } });
    expect(onForget).not.toHaveBeenCalled();
  });

  it('for the size of its environment says so', async () => {
    const outcome = await runOneTask({ run: ['true'], env: { BIG: 'x'.repeat(200_000) } });

    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'command-not-executable', message: 'the arguments and environment of `true` are too long' },
    });
  });

  it('just now is no reason to make its checkout anew: others may be at work in it', async () => {
    const busy = join(temporaryFolder(), 'busy');
    writeFileSync(busy, '#!/bin/sh\n');
    chmodSync(busy, 0o755);
    const onForget = vi.fn();
    const writer = openSync(busy, 'r+');

    const outcome = await runOneTask({ run: [busy], onForget });

    closeSync(writer);
    expect(outcome).toMatchObject({ kind: 'released', cause: 'machine', reason: expect.stringContaining('ETXTBSY') });
    expect(onForget).not.toHaveBeenCalled();
  });

  it('because its checkout is gone has it made anew', async () => {
    const onForget = vi.fn();

    await runOneTask({ run: ['true'], checkoutIsGone: true, onForget });

    expect(onForget).toHaveBeenCalledOnce();
  });

  const loop = (): string => {
    const path = join(temporaryFolder(), 'loop');
    symlinkSync(path, path);
    return path;
  };
});

describe('a command that is in a strange state', () => {
  it('may have closed all that it was given, and still completes when it exits', async () => {
    expect(resultOf(await sh('exec <&- >&- 2>&-; sleep 0.2; exit 0'))).toBeNull();
  });

  it('is killed when its time is up even if it has stopped itself', async () => {
    expect(await sh('kill -STOP $$', { timeoutSeconds: 0.3 })).toMatchObject({ failure: { code: 'timeout' } });
  });

  it('may signal its whole group, and has died of that signal', async () => {
    expect(await sh('kill -KILL 0')).toMatchObject({ failure: { code: 'signal', signal: 'SIGKILL' } });
  });

  it('may remove its own folder, and complete', async () => {
    expect(resultOf(await sh('rm -rf "$(dirname "$SHOAL_RESULT_FILE")"; echo 1'))).toBe(1);
  });

  const CHILD = { 'child.sh': 'touch "$1"; while :; do sleep 0.2; done' };
  const upFile = (): string => join(temporaryFolder(), 'up');

  it.each([
    ['a session of its own', 'setsid sh child.sh UP'],
    ['a session of its own, as a daemon', "setsid sh -c 'setsid sh child.sh UP </dev/null >/dev/null 2>&1 &'"],
  ])('leaves no child behind, not even in %s', async (_what, start) => {
    const up = upFile();

    const script = `${start.replace('UP', up)} & while ! test -e ${up}; do sleep 0.01; done; echo 1`;
    expect(resultOf(await sh(script, { files: CHILD }))).toBe(1);

    await until(() => runningWith(up).length === 0, 'the child is gone');
  });

  it('is ended at its time limit with what it started in sessions of their own', async () => {
    const up = upFile();

    const outcome = await sh(`setsid -f sh child.sh ${up}; sleep 60`, { files: CHILD, timeoutSeconds: 0.3 });

    expect(outcome).toMatchObject({ failure: { code: 'timeout' } });
    expect(existsSync(up)).toBe(true);
    await until(() => runningWith(up).length === 0, 'the child is gone');
  });
});

describe('the result', () => {
  it.each([
    ['inline', MAX_INLINE_RESULT_BYTES, { json: expect.any(String) }],
    ['by reference', MAX_INLINE_RESULT_BYTES + 1, { blob: expect.any(String), bytes: MAX_INLINE_RESULT_BYTES + 1 }],
  ])('of just that size goes %s', async (_how, bytes, result) => {
    const outcome = await runOneTask({ run: ['node', '-p', `JSON.stringify('x'.repeat(${bytes - 2}))`] });

    expect(outcome).toMatchObject({ kind: 'completed', result });
  });

  it('may be as large as allowed and no byte larger, in the file as on stdout', async () => {
    const print = (bytes: number): string => `node -p "JSON.stringify('x'.repeat(${bytes - 2}))"`;
    const [exact, more] = [print(10_000), print(10_001)];
    const inFile = (text: string): string => `${text} | tr -d '\\n' > "$SHOAL_RESULT_FILE"`;
    const limit = { maxResultBytes: 10_000 };

    const ends = await Promise.all([exact, more, inFile(exact), inFile(more)].map((script) => sh(script, limit)));

    expect(ends.map(({ kind }) => kind)).toEqual(['completed', 'failed', 'completed', 'failed']);
  });

  it('on stdout may begin with blanks that come long before the rest', async () => {
    const print = `process.stdout.write(' '); setTimeout(() => console.log(JSON.stringify('x'.repeat(1e6))), 100)`;

    expect(await runOneTask({ run: ['node', '-e', print] })).toMatchObject({ result: { bytes: 1_000_002 } });
  });

  it('that is a socket is refused', async () => {
    const bind = 'process.env.SHOAL_RESULT_FILE, () => process.reallyExit(0)';

    const outcome = await runOneTask({ run: ['node', '-e', `require("net").createServer().listen(${bind})`] });

    expect(outcome).toMatchObject({ failure: { message: '$SHOAL_RESULT_FILE is not a plain file' } });
  });
});

describe('an input', () => {
  it('that is falsy is an input', async () => {
    for (const input of [null, false, 0, '']) expect(resultOf(await sh('cat', { input }))).toEqual(input);
  });
});
