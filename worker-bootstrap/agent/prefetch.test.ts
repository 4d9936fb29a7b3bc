import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';

const COMMANDS = {
  'no-op.js': `
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { until } = JSON.parse(line);
      const answer = () => (until && !require('fs').existsSync(until) ? setTimeout(answer, 20) : console.log('0'));
      answer();
    });`,
  'overlap.sh': 'read log; echo start >> "$LOG"; sleep 0.3; echo end >> "$LOG"',
};

function code(run: string[], more: Partial<TaskMessage['code']> = {}): TaskMessage['code'] {
  const { url, commit } = gitRepository();
  return { repository: url, commit: commit(COMMANDS), setup: null, run, ...PLAIN_CODE, ...more };
}
const noOp = () => code(['node', 'no-op.js'], { protocol: 'jsonl' });

/** One slot, a first short task that is measured, one that runs until the test says so, and others that wait. */
async function heldBehindALongOne(waiting: number, settings: ConstructorParameters<typeof AgentHarness>[0] = {}) {
  const agent = new AgentHarness({ slots: 1, idleSeconds: 60, ...settings });
  const gate = join(temporaryFolder(), 'gate');
  const inputs = [{}, { until: gate }, ...Array.from({ length: waiting }, () => ({}))];
  const common = { code: noOp() };
  await agent.send(
    ...inputs.map((input, index) => ({
      ...common,
      taskId: taskIdFactory(index),
      input,
      timeoutSeconds: 'until' in input ? 60 : 1,
    })),
  );
  const running = agent.run();
  await until(() => agent.depth.inFlight >= waiting + 1, 'all are leased');
  return { agent, running, open: () => appendFileSync(gate, '') };
}

describe('tasks that are known to be short', () => {
  it('are leased ten at a time and cost a fraction of a request each', async () => {
    const agent = new AgentHarness({ slots: 1 });
    // The default timeout: any of them may take longer than a minute, for all that the message says.
    const message = { code: noOp(), timeoutSeconds: 300, input: {} };
    await agent.send(...Array.from({ length: 400 }, (_, index) => ({ ...message, taskId: taskIdFactory(index) })));
    let publications = 0;
    agent.beforePublish = () => {
      publications += 1;
    };

    await agent.run();

    const events = agent.taskEvents;
    expect(events.filter((event) => event.kind === 'completed')).toHaveLength(400);
    // Only the first one, of which nothing was known.
    expect(events.filter((event) => event.kind === 'started')).toHaveLength(1);
    const { receives, leaseChanges } = agent.queues.normal;
    expect(receives.filter((call) => call.waitSeconds === 0).length).toBeLessThanOrEqual(60);
    expect(receives.filter((call) => call.maxMessages === 10).length).toBeGreaterThanOrEqual(30);
    // Only the first lease had to allow for more or less than was asked for.
    expect(leaseChanges.length).toBeLessThanOrEqual(1);
    expect(publications).toBeLessThanOrEqual(30);
    expect(agent.queues.high.receives.length).toBeLessThanOrEqual(4);
  });

  it('that wait for their turn go back when the machine drains', async () => {
    const { agent, running, open } = await heldBehindALongOne(5);

    agent.lifecycle.drain('test');
    await until(() => agent.depth.visible === 5, 'they are back');
    open();
    await running;

    expect(agent.taskEvents.filter((event) => event.kind === 'completed')).toHaveLength(2);
    expect(agent.queues.normal.leaseChanges.at(-1)).toEqual({ leases: 5, seconds: 0 });
    expect(agent.depth).toEqual({ visible: 5, inFlight: 0, delayed: 0 });
  });

  it('that waited too long go back while there is time for them (lesson 7)', async () => {
    const { agent, running, open } = await heldBehindALongOne(5, { leaseGraceSeconds: 2, slots: 1 });

    await until(() => agent.queues.normal.leaseChanges.some(({ seconds }) => seconds === 0), 'they go back', 10_000);
    open();
    agent.lifecycle.drain('test');
    await running;

    expect(agent.depth).toMatchObject({ inFlight: 0 });
  });
});

describe('the slots of a machine', () => {
  it.each([
    ['a slot each', undefined, 4],
    ['two vCPUs each', { vcpu: 2, memoryMiB: 100, diskGiB: 1 }, 2],
    ['most of the memory', { vcpu: 0.1, memoryMiB: 2_100, diskGiB: 1 }, 1],
    ['half of the disk', { vcpu: 0.1, memoryMiB: 100, diskGiB: 10 }, 2],
  ])('hold as many tasks as fit: %s', async (_what, resources, expected) => {
    const agent = new AgentHarness({ slots: 4 });
    const log = join(temporaryFolder(), 'log');
    const message = {
      code: code(['sh', 'overlap.sh'], { env: { LOG: log } }),
      timeoutSeconds: 30,
      ...(resources ? { resources } : {}),
    };
    await agent.send(...[0, 1, 2, 3, 4, 5].map((index) => ({ ...message, taskId: taskIdFactory(index) })));

    await agent.run();

    expect(mostAtATime(log)).toBe(expected);
    expect(agent.instanceReports[0]).toMatchObject({ state: 'READY', slots: 4, expiresAt: expect.any(String) });
  });

  it('that can never hold a task say so', async () => {
    const agent = new AgentHarness({ slots: 2 });
    await agent.send({ code: code(['true']), resources: { vcpu: 4, memoryMiB: 8_192, diskGiB: 5 } });

    await agent.run();

    expect(agent.eventOf('released')).toMatchObject({
      cause: 'machine',
      reason: 'the task needs 4 vCPUs, 8192 MiB of memory and 5 GiB of disk, this machine has 2, 2048 MiB and 10 GiB',
    });
  });
});

function mostAtATime(log: string): number {
  if (!existsSync(log)) return 0;
  let now = 0;
  const levels = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      now += line === 'start' ? 1 : -1;
      return now;
    });
  return Math.max(...levels);
}
