import { describe, expect, it } from 'vitest';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { NotFoundError, TransientError } from '../../core/errors.ts';
import type { DelayedMessage, TaskMessage } from '../../core/messages.ts';
import type { TaskQueues } from '../../core/ports.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryDeadLetterChannel } from '../../test/fakes/in-memory-dead-letter-channel.ts';
import { InMemoryDelayedQueue } from '../../test/fakes/in-memory-delayed-queue.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { forwardDelayed } from './forward-delayed.ts';

const NOW = 60;

function prepare() {
  const clock = new ManualClock(at(NOW));
  const ports = {
    clock,
    queues: inMemoryTaskQueues({ clock }),
    delayed: new InMemoryDelayedQueue({ clock }),
    deadLetters: new InMemoryDeadLetterChannel(),
  };
  return {
    ...ports,
    ports,
    forwarded: async (fleet = 'default', priority: TaskMessage['priority'] = 'normal') => {
      const { leases } = await ports
        .queues(fleet, priority)
        .receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 9 });
      return leases.map(({ message }) => message);
    },
    /** What waits on the delayed queue until then. */
    waiting: (seconds: number): DelayedMessage[] => {
      clock.advance(seconds);
      return ports.delayed.queue.receive(10, 9).map(({ body, receiptHandle }) => {
        ports.delayed.queue.delete(receiptHandle);
        return JSON.parse(body);
      });
    },
  };
}

const message = (index: number, overrides: Partial<TaskMessage> = {}): TaskMessage =>
  taskMessageFactory({ taskId: taskIdFactory(index), attempt: 2, ...overrides });
const record = (body: unknown, messageId = 'm-1'): QueueRecord => ({
  messageId,
  body: typeof body === 'string' ? body : toAsciiJson(body),
  receiveCount: 1,
});

describe('what is due', () => {
  it('is forwarded as it is to the queue of its fleet and priority', async () => {
    const { ports, forwarded } = prepare();
    const urgent = message(1, { fleet: 'gpu', priority: 'high' });

    const { failed } = await forwardDelayed(
      [record({ message: message(0), dueAt: at(NOW) }), record({ message: urgent, dueAt: at(0) }, 'm-2')],
      ports,
    );

    expect(failed.size).toBe(0);
    expect(await forwarded()).toEqual([message(0)]);
    expect(await forwarded('gpu', 'high')).toEqual([urgent]);
  });

  it('within a second is forwarded all the same: another hop would make it late', async () => {
    const { ports, forwarded } = prepare();

    await forwardDelayed([record({ message: message(0), dueAt: at(NOW + 1) })], ports);

    expect(await forwarded()).toHaveLength(1);
  });
});

describe('what is not due yet', () => {
  it('takes another hop, however many it takes, and comes no earlier (lesson 9)', async () => {
    const { ports, forwarded, waiting } = prepare();
    const dueAt = at(NOW + 2_000);

    await forwardDelayed([record({ message: message(0), dueAt })], ports);
    expect(await forwarded()).toEqual([]);
    expect(waiting(899)).toEqual([]);
    const [hop] = waiting(1);
    expect(hop).toEqual({ message: message(0), dueAt });

    await forwardDelayed([record(hop)], ports);
    await forwardDelayed(
      waiting(900).map((each) => record(each)),
      ports,
    );
    expect(await forwarded()).toEqual([]);
    await forwardDelayed(
      waiting(200).map((each) => record(each)),
      ports,
    );

    expect(await forwarded()).toEqual([message(0)]);
  });
});

describe('what cannot be forwarded', () => {
  it('comes back alone: the queue of one fleet does not answer, its neighbours go on (lesson 4)', async () => {
    const { ports, forwarded } = prepare();
    const queues: TaskQueues = (fleet, priority) => {
      const queue = ports.queues(fleet, priority);
      if (fleet === 'default') return queue;
      return Object.assign(Object.create(queue), { send: () => Promise.reject(new TransientError('no answer')) });
    };
    const later = { message: message(2, { fleet: 'broken' }), dueAt: at(NOW + 60) };

    const { failed } = await forwardDelayed(
      [
        record({ message: message(0), dueAt: at(NOW) }, 'm-0'),
        record({ message: message(1, { fleet: 'broken' }), dueAt: at(NOW) }, 'm-1'),
        record(later, 'm-2'),
      ],
      { ...ports, queues },
    );

    expect([...failed.keys()]).toEqual(['m-1']);
    expect(await forwarded()).toEqual([message(0)]);
  });

  it('comes back when the next hop cannot be sent', async () => {
    const { ports } = prepare();
    const delayed = { send: () => Promise.reject(new TransientError('no answer')) };

    const { failed } = await forwardDelayed([record({ message: message(0), dueAt: at(NOW + 60) })], {
      ...ports,
      delayed,
    });

    expect([...failed.keys()]).toEqual(['m-1']);
  });

  it.each([
    ['is not JSON', 'not json', 'the body is not JSON'],
    ['is nothing', '', 'the body is not JSON'],
    ['is no object', '7', expect.stringMatching(/must be an object/)],
    ['has no time', { message: message(0) }, expect.stringMatching(/^dueAt: /)],
    ['has a time that is none', { message: message(0), dueAt: 'soon' }, expect.stringMatching(/^dueAt: /)],
    ['is due on the 30th of February', { message: message(0), dueAt: '2026-02-30T00:00:00Z' }, expect.anything()],
    ['is no task', { message: { v: 1 }, dueAt: at(0) }, expect.stringMatching(/message\.jobId: /)],
  ])('because it %s is kept with the reason, and its neighbours go on (lesson 4)', async (_what, body, reason) => {
    const { ports, forwarded, deadLetters } = prepare();

    const { failed, kept } = await forwardDelayed(
      [record(body, 'bad'), record({ message: message(0), dueAt: at(NOW) }, 'good')],
      ports,
    );

    expect({ failed: failed.size, kept }).toEqual({ failed: 0, kept: 1 });
    expect(deadLetters.letters).toEqual([{ body: record(body).body, reason, source: 'delayed' }]);
    expect(await forwarded()).toHaveLength(1);
  });

  it('because its fleet is not deployed is kept with the reason, instead of coming back for two weeks', async () => {
    const { ports, forwarded, deadLetters } = prepare();
    const queues: TaskQueues = (fleet, priority) => {
      const queue = ports.queues(fleet, priority);
      if (fleet === 'default') return queue;
      return Object.assign(Object.create(queue), { send: () => Promise.reject(new NotFoundError('no such queue')) });
    };

    const { failed, kept } = await forwardDelayed(
      [
        record({ message: message(0, { fleet: 'gone' }), dueAt: at(NOW) }, 'm-0'),
        record({ message: message(1), dueAt: at(NOW) }, 'm-1'),
      ],
      { ...ports, queues },
    );

    expect({ failed: failed.size, kept }).toEqual({ failed: 0, kept: 1 });
    expect(deadLetters.letters).toMatchObject([{ reason: 'there is no fleet gone', source: 'delayed' }]);
    expect(await forwarded()).toEqual([message(1)]);
  });

  it('comes back when it cannot be kept either: nothing is thrown away', async () => {
    const { ports, forwarded } = prepare();
    const deadLetters = { put: () => Promise.reject(new TransientError('no answer')) };

    const { failed } = await forwardDelayed(
      [record('not json', 'bad'), record({ message: message(0), dueAt: at(NOW) }, 'good')],
      { ...ports, deadLetters },
    );

    expect([...failed.keys()]).toEqual(['bad']);
    expect(await forwarded()).toHaveLength(1);
  });
});
