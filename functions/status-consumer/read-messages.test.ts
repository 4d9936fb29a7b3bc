import { describe, expect, it } from 'vitest';
import { completedEvent, instanceEvent, startedEvent } from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { readMessages } from './read-messages.ts';

const record = (body: unknown, overrides: Partial<QueueRecord> = {}): QueueRecord => ({
  messageId: 'm-1',
  body: typeof body === 'string' ? body : JSON.stringify(body),
  receiveCount: 1,
  ...overrides,
});
const envelope = (...events: unknown[]) => ({ v: 1, source: 'i-1', events });

describe('a record of the status queue', () => {
  it('is read as reports on tasks and on machines, each with the record that brought it', () => {
    const started = startedEvent();
    const machine = instanceEvent();

    const { tasks, instances, malformed } = readMessages([record(envelope(started, machine), { messageId: 'm-7' })]);

    expect(tasks).toEqual([{ event: started, messageId: 'm-7', redelivered: false }]);
    expect(instances).toEqual([{ event: machine, messageId: 'm-7', redelivered: false }]);
    expect(malformed).toEqual([]);
  });

  it('that was received before may be applied already', () => {
    const { tasks } = readMessages([record(envelope(startedEvent()), { receiveCount: 2 })]);

    expect(tasks[0]?.redelivered).toBe(true);
  });

  it('may hold fields of a later version', () => {
    const { tasks, malformed } = readMessages([record({ ...envelope({ ...startedEvent(), mood: 'good' }), more: 1 })]);

    expect([tasks.length, malformed.length]).toEqual([1, 0]);
  });

  it.each<[string, unknown, RegExp]>([
    ['is no JSON', '{"v":1,', /not JSON/],
    ['is a text', '"text"', /\$: /],
    ['is null', 'null', /\$: /],
    ['has another version', { ...envelope(startedEvent()), v: 2 }, /^v: /],
    ['has no events', envelope(), /^events: /],
    ['has nothing', {}, /v: .*; source: .*; events: /],
  ])('is set apart with the reason when it %s (lesson 4)', (_what, body, reason) => {
    const { tasks, instances, malformed } = readMessages([record(body)]);

    expect([tasks.length, instances.length]).toEqual([0, 0]);
    expect(malformed).toEqual([
      {
        messageId: 'm-1',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        reason: expect.stringMatching(reason),
      },
    ]);
  });

  it.each<[string, unknown, RegExp]>([
    ['is of a kind that nobody knows', { ...startedEvent(), kind: 'paused' }, /kind/],
    ['is null', null, /./],
    ['misses a field', { ...startedEvent(), leaseId: undefined }, /leaseId/],
    ['has an attempt of 0', { ...startedEvent(), attempt: 0 }, /attempt/],
    [
      'speaks of a task of another job',
      startedEvent({ taskId: taskIdFactory(0, jobIdFactory(2)) }),
      /not one of jobId/,
    ],
    ['speaks of no task', startedEvent({ taskId: 'moon' }), /not one of jobId/],
    ['took longer than any message lives', completedEvent({ seconds: 1e300 }), /seconds/],
    ['speaks of a machine in no state', { ...instanceEvent(), state: 'HAPPY' }, /state/],
  ])('loses no neighbour of an event that %s (lesson 4)', (_what, event, reason) => {
    const neighbours = [startedEvent(), completedEvent({ taskId: taskIdFactory(1) })];

    const { tasks, malformed } = readMessages([record(envelope(neighbours[0], event, neighbours[1]))]);

    expect(tasks.map((each) => each.event)).toEqual(neighbours);
    expect(malformed).toEqual([
      { messageId: 'm-1', body: JSON.stringify(event), reason: expect.stringMatching(reason) },
    ]);
  });
});
