import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../adapters/local/testing/until.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { StatusEvent } from '../../core/messages.ts';
import type { TaskQueue } from '../../core/ports.ts';
import { WaitingTaskQueue } from '../testing/waiting-task-queue.ts';
import { systemClock } from './clock.ts';
import { OutcomeOutbox, type Report } from './outcome-outbox.ts';

function setUp() {
  /** What happened, in order: publications with their number of events, acknowledgements with their receipts. */
  const happened: string[] = [];
  let failure: (events: readonly StatusEvent[]) => Error | undefined = () => undefined;
  let refusals = 0;
  const outbox = new OutcomeOutbox({
    status: {
      publish: async (events) => {
        const error = failure(events);
        happened.push(`${error ? 'failed' : 'published'} ${events.length}`);
        if (error) throw error;
      },
    },
    clock: systemClock,
    random: () => 0,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    onRefused: () => {
      refusals += 1;
    },
  });
  onTestFinished(() => outbox.close(0));
  const queue = new WaitingTaskQueue();
  queue.acknowledge = async (leases) => void happened.push(`acknowledged ${leases.map((each) => each.receiptHandle)}`);
  return {
    outbox,
    happened,
    queue,
    fail: (by: typeof failure) => {
      failure = by;
    },
    refusals: () => refusals,
  };
}

const report = (receiptHandle: string, queue: TaskQueue, seconds = 60): Report => ({
  event: { kind: 'instance', instanceId: receiptHandle, fleet: 'f', state: 'READY', reason: null, at: '' },
  settles: { queue, receiptHandle },
  until: new Date(Date.now() + seconds * 1_000),
});

describe('the outbox', () => {
  it('gathers reports for a moment and acknowledges after it has published', async () => {
    const { outbox, happened, queue } = setUp();

    const published = await Promise.all([outbox.put(report('a', queue)), outbox.put(report('b', queue))]);

    expect(published).toEqual([true, true]);
    expect(happened).toEqual(['published 2', 'acknowledged a,b']);
    expect(outbox.isEmpty).toBe(true);
  });

  it('waits for no more when fifty are there, or one is urgent', async () => {
    const { outbox, happened, queue } = setUp();
    const began = performance.now();

    const many = Array.from({ length: 120 }, (_, index) => outbox.put(report(String(index), queue)));
    await Promise.all(many.slice(0, 100));
    expect(performance.now() - began).toBeLessThan(150);
    expect(happened.filter((each) => each.startsWith('published'))).toEqual(['published 50', 'published 50']);

    await outbox.put({ ...report('last', queue), urgent: true });
    expect(performance.now() - began).toBeLessThan(190);
  });

  it('gathers for longer while reports come fast', async () => {
    const { outbox, happened, queue } = setUp();
    const flushMs = async (reports: number): Promise<number> => {
      const began = performance.now();
      await Promise.all(Array.from({ length: reports }, (_, n) => outbox.put(report(String(n), queue))));
      return performance.now() - began;
    };

    expect(await flushMs(10)).toBeLessThan(500);
    expect(await flushMs(2)).toBeGreaterThan(500);
    expect(await flushMs(1)).toBeLessThan(500);
    expect(happened.filter((each) => each.startsWith('published'))).toEqual([
      'published 10',
      'published 2',
      'published 1',
    ]);
  });

  it('acknowledges nothing until a publication succeeds', async () => {
    const { outbox, happened, queue, fail } = setUp();
    let failures = 3;
    fail(() => (failures-- > 0 ? new TransientError('throttled') : undefined));

    const published = outbox.put(report('a', queue));
    await until(() => outbox.failing, 'it fails');

    expect(await published).toBe(true);
    expect(outbox.failing).toBe(false);
    expect(happened).toEqual(['failed 1', 'failed 1', 'failed 1', 'published 1', 'acknowledged a']);
  });

  it('gives a report up when its lease is over, unacknowledged', async () => {
    const { outbox, happened, queue, fail } = setUp();
    fail(() => new Error('connection refused'));

    expect(await outbox.put(report('a', queue, 0.4))).toBe(false);

    expect(happened.filter((each) => each.startsWith('acknowledged'))).toEqual([]);
    expect(outbox.isEmpty).toBe(true);
  });

  it('does not let a refused report take its neighbours with it', async () => {
    const { outbox, happened, queue, fail, refusals } = setUp();
    const isBad = (event: StatusEvent): boolean => event.kind === 'instance' && event.instanceId === 'bad';
    fail((events) => (events.some(isBad) ? new PermanentError('too large') : undefined));

    const published = await Promise.all(['a', 'bad', 'c'].map((name) => outbox.put(report(name, queue))));

    expect(published).toEqual([true, false, true]);
    expect(happened.filter((each) => each.startsWith('acknowledged')).sort()).toEqual([
      'acknowledged a',
      'acknowledged c',
    ]);
    expect(refusals()).toBe(0);
  });

  it('says so when the channel refuses everything', async () => {
    const { outbox, queue, fail, refusals } = setUp();
    fail(() => new PermanentError('access denied'));

    const published = await Promise.all(['a', 'b', 'c'].map((name) => outbox.put(report(name, queue))));

    expect(published).toEqual([false, false, false]);
    expect(refusals()).toBeGreaterThan(0);
  });

  it('closes with all that is there published at once', async () => {
    const { outbox, happened, queue } = setUp();
    const began = performance.now();
    void outbox.put(report('a', queue));

    await outbox.close(5_000);

    expect(happened).toEqual(['published 1', 'acknowledged a']);
    expect(performance.now() - began).toBeLessThan(150);
  });

  it('closes after a while even if nothing gets through', async () => {
    const { outbox, queue, fail } = setUp();
    fail(() => new TransientError('down'));
    const published = outbox.put(report('a', queue));

    await outbox.close(300);

    expect(await published).toBe(false);
  });
});
