import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import type { Lease, TaskQueue } from '../../core/ports.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { NO_CREDENTIALS } from '../../test/fakes/no-credentials.ts';
import { AgentHarness } from '../testing/agent-harness.ts';
import { runAgent } from './agent.ts';
import { systemClock } from './clock.ts';

setFlagsFromString('--expose-gc');
// Safe: the flag above is what puts the function there.
const collectGarbage = runInNewContext('gc') as () => void;

/** Heap in use, in MB, after everything that can go is gone. */
function heapMegabytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
}

/** Makes its messages as they are asked for, and keeps none: what grows is the agent's. */
function endlessQueue(total: number, code: Lease['message']['code'], onReceive: (sent: number) => void) {
  let sent = 0;
  const calls = { receive: 0, acknowledge: 0 };
  const lease = (): Lease => {
    sent += 1;
    const message = taskMessageFactory({ taskId: taskIdFactory(sent), code, input: { n: sent } });
    return { leaseId: `lease-${sent}`, receiptHandle: `receipt-${sent}`, receiveCount: 1, message };
  };
  const queue: TaskQueue = {
    send: async () => undefined,
    receive: async ({ maxMessages }) => {
      calls.receive += 1;
      onReceive(sent);
      const count = Math.min(maxMessages, total - sent);
      await delay(count > 0 ? 0 : 20);
      return { leases: Array.from({ length: count }, lease), unreadable: [] };
    },
    acknowledge: async (leases) => {
      calls.acknowledge += Math.ceil(leases.length / 10);
    },
    changeLease: async () => undefined,
    depth: async () => ({ visible: 0, inFlight: 0, delayed: 0 }),
  };
  return { queue, calls };
}

it('the memory of the agent stays flat over 20,000 tasks, and the requests of a task few', async () => {
  const TOTAL = 20_000;
  const { url, commit } = gitRepository();
  const answer =
    "require('node:readline').createInterface({input:process.stdin}).on('line',()=>console.log('{\"ok\":true}'))";
  const code = {
    ...PLAIN_CODE,
    protocol: 'jsonl' as const,
    repository: url,
    commit: commit({ 'a.js': answer }),
    setup: null,
    run: ['node', 'a.js'],
  };
  const heap: number[] = [];
  const { queue, calls } = endlessQueue(TOTAL, code, (sent) => {
    if (sent >= 5_000 * (heap.length + 1)) heap.push(heapMegabytes());
  });
  const empty: TaskQueue = { ...queue, receive: () => delay(20, { leases: [], unreadable: [] }) };
  const { settings, lifecycle } = new AgentHarness({ slots: 2, idleSeconds: 0.3 });
  let completed = 0;
  let publications = 0;

  await runAgent(
    settings,
    {
      queues: (_, priority) => (priority === 'normal' ? queue : empty),
      status: {
        publish: async (events) => {
          publications += 1;
          completed += events.filter((event) => event.kind === 'completed').length;
        },
      },
      control: new InMemoryControlChannel(),
      blobs: new InMemoryBlobStore(),
      credentials: NO_CREDENTIALS,
      clock: systemClock,
      random: () => 0.5,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    },
    lifecycle,
  );
  heap.push(heapMegabytes());

  expect(completed).toBe(TOTAL);
  // Between 5,000 and 20,000 tasks: a leak of 200 bytes a task would show.
  expect(Math.max(...heap) - (heap[0] ?? 0)).toBeLessThan(3);
  expect((calls.receive + calls.acknowledge + publications) / TOTAL).toBeLessThan(0.3);
}, 60_000);
