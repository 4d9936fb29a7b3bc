import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { mayMount, mountSmallDisk, unmount } from '../../adapters/local/testing/small-disk.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';
import { CheckoutShelf } from './checkout-shelf.ts';
import { DiskSpace, type DiskState } from './disk-space.ts';
import type { Code } from './preparations.ts';

function shell(script: string, more: Partial<TaskMessage['code']> = {}): TaskMessage['code'] {
  const { url, commit } = gitRepository();
  return {
    repository: url,
    commit: commit({ 'task.sh': script }),
    setup: null,
    run: ['sh', 'task.sh'],
    ...PLAIN_CODE,
    ...more,
  };
}

/** A disk of its own, of 16 MiB. */
function smallDisk(): string {
  const folder = temporaryFolder();
  expect(mountSmallDisk(folder)).toBe(true);
  onTestFinished(() => unmount(folder));
  return folder;
}

const FILL = 'head -c 100000000 /dev/zero > "$HOME/big" || exit 1';

describe('a full disk', () => {
  it.skipIf(!mayMount).each([
    ['the command fails of it', FILL, {}],
    [
      'the command cleans up before it fails',
      `${FILL.replace('|| exit 1', '|| { sleep 1.2; rm "$HOME/big"; exit 1; }')}`,
      {},
    ],
    ['setup fails of it', 'echo 1', { setup: 'head -c 100000000 /dev/zero > big' }],
  ])('charges no attempt, is named, and ends the machine: %s', async (_what, script, more) => {
    const workDir = smallDisk();
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60, workDir });
    const code = shell(script, more);
    await agent.send({ taskId: taskIdFactory(0), code, timeoutSeconds: 30 });
    await agent.send({ taskId: taskIdFactory(1), code: shell('echo 1'), timeoutSeconds: 30 });

    expect(await agent.run()).toBe('the disk is full');

    expect(agent.taskEvents).toMatchObject([
      { kind: 'released', cause: 'machine', reason: expect.stringMatching(/^the disk of the machine is full/) },
    ]);
    expect(agent.depth).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
  });

  it.skipIf(!mayMount)('is one that has no room for what an earlier attempt left', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60, workDir: smallDisk() });
    await agent.blobs.put('checkpoint', 'x'.repeat(20_000_000), 'application/octet-stream');
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 30, checkpointRef: 'checkpoint' });

    expect(await agent.run()).toBe('the disk is full');

    expect(agent.eventOf('released')).toMatchObject({
      cause: 'machine',
      reason: expect.stringMatching(/^the disk of/),
    });
  });

  it.skipIf(!mayMount)('is no excuse for a command that completes', async () => {
    const workDir = smallDisk();
    const agent = new AgentHarness({ slots: 1, workDir });
    // Not before the agent has written down that it runs.
    const recorded = `until ls ${workDir}/groups/* >/dev/null 2>&1; do sleep 0.01; done`;
    const script = `${recorded}; head -c 100000000 /dev/zero > "$HOME/big"; echo 1`;
    await agent.send({ code: shell(script), timeoutSeconds: 30 });

    expect(await agent.run()).toBe('idle');
    expect(agent.eventOf('completed')).toMatchObject({ result: { json: '1' } });
  });

  it('is seen by its probe where nobody may mount one', async () => {
    const state: DiskState = { freeBytes: 1_000, totalBytes: 2 ** 33 };
    const disk = new DiskSpace(async () => state);

    expect(await disk.fullness()).toBe('the disk of the machine is full: 0 of 8192 MiB are free');
    expect(await new DiskSpace(async () => ({ ...state, freeBytes: 2 ** 30 })).fullness()).toBeNull();
    expect(await new DiskSpace(() => Promise.reject(new Error('no such call'))).fullness()).toBeNull();
  });
});

describe('the checkouts of a machine', () => {
  it('are kept to a number, those in use first', async () => {
    const agent = new AgentHarness({ slots: 1, maxCheckouts: 2 });
    const codes = [0, 1, 2, 3].map((index) => shell(`echo ${index}`));
    // The first one again at last: it is made anew.
    await agent.send(
      ...[...codes, codes[0]!].map((code, index) => ({ taskId: taskIdFactory(index), code, timeoutSeconds: 30 })),
    );

    await agent.run();

    expect(agent.taskEvents.filter((event) => event.kind === 'completed')).toHaveLength(5);
    expect(readdirSync(join(agent.settings.workDir, 'checkouts')).length).toBeLessThanOrEqual(3);
    expect(agent.logLines.filter((line) => line.includes('a checkout was removed')).length).toBeGreaterThanOrEqual(2);
  });

  it('go when the disk gets tight, the one used least recently first, never one in use', async () => {
    const root = temporaryFolder();
    const removed: string[] = [];
    let freeBytes = 2 ** 40;
    const ready = new Set<string>();
    const shelf = new CheckoutShelf({
      preparations: {
        prepare: async ({ commit }) => {
          ready.add(commit);
          return { kind: 'ready', folder: join(root, commit, 'code') };
        },
        isReady: ({ commit }) => ready.has(commit),
        forget: ({ commit }) => void ready.delete(commit),
      },
      disk: new DiskSpace(async () => ({ freeBytes, totalBytes: 2 ** 40 })),
      maxCheckouts: 20,
      minFreeDiskMiB: 1_024,
      taskUser: null,
      onRemoved: (commit) => {
        removed.push(commit);
        if (removed.length === 2) freeBytes = 2 ** 40;
      },
    });
    const code = (commit: string): Code => ({ ...shellCode, commit });
    const used = [];
    for (const commit of ['a', 'b', 'c', 'd']) used.push(await shelf.use(code(commit), jobIdFactory()));
    // `a` is in use, `b` was used last.
    for (const { giveBack } of used.slice(1)) giveBack();
    (await shelf.use(code('b'), jobIdFactory())).giveBack();

    freeBytes = 2 ** 20;
    await shelf.tidy();

    expect(removed).toEqual(['c', 'd']);
    expect([...ready].sort()).toEqual(['a', 'b']);
    used[0]?.giveBack();
  });

  it('are not taken from under a jsonl process that waits', async () => {
    const agent = new AgentHarness({ slots: 2, maxCheckouts: 1, idleSeconds: 60 });
    const server = 'while read -r line; do cat answer; done';
    const { url, commit } = gitRepository();
    const files = { 'serve.sh': server, answer: '"mine"\n' };
    const code: Code = {
      repository: url,
      commit: commit(files),
      setup: null,
      run: ['sh', 'serve.sh'],
      ...PLAIN_CODE,
      protocol: 'jsonl',
    };
    await agent.send({ taskId: taskIdFactory(0), code, timeoutSeconds: 30 });
    const running = agent.run();
    await agent.whenPublished('completed');
    await agent.send({ taskId: taskIdFactory(1), code: shell('echo 1'), timeoutSeconds: 30 });
    await agent.whenPublished('completed', 2);
    await until(() => readdirSync(join(agent.settings.workDir, 'checkouts')).length === 1, 'the other is removed');

    await agent.send({ taskId: taskIdFactory(2), code, timeoutSeconds: 30 });
    await agent.whenPublished('completed', 3);
    agent.lifecycle.drain('test');
    await running;

    expect(agent.logLines.filter((line) => line.includes('a checkout was prepared'))).toHaveLength(2);
    expect(existsSync(agent.settings.workDir)).toBe(true);
  });
});

const shellCode: Omit<Code, 'commit'> = { repository: 'file:///nowhere', setup: null, run: ['true'], ...PLAIN_CODE };
