/** Leases longer than Pub/Sub allows, in virtual time: how long they hold, what ends them, and what they survive. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { LOCK_SECONDS, type PubSubTaskQueues, pubSubTaskQueues } from '../../../adapters/gcp/pubsub-task-queue.ts';
import { NotFoundError, TransientError } from '../../../core/errors.ts';
import { useGcpWorld } from '../../contracts/gcp-world.ts';
import { taskIdFactory } from '../../factories/ids.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';

const gcp = useGcpWorld();
const MINUTE = 60;
/** After half of what a message is hidden for. */
const RENEWAL_SECONDS = LOCK_SECONDS / 2;
const messages = (count: number) =>
  Array.from({ length: count }, (_, index) => taskMessageFactory({ taskId: taskIdFactory(index) }));

const machines: PubSubTaskQueues[] = [];
// Time is one for all tests: what one of them holds would be renewed in the next.
afterEach(() => {
  for (const queues of machines.splice(0)) queues.stop();
});

/** A fleet with machines: each has the queues for itself, as each is a process. */
function prepare(policies?: object) {
  const { time, queueUrlPrefix, pubSub } = gcp();
  const { fleet, subscription } = gcp().fleet(policies);
  const failures: unknown[] = [];
  const machine = () => {
    const queues: PubSubTaskQueues = pubSubTaskQueues({
      queueUrlPrefix,
      stage: 'test',
      token: null,
      clock: time,
      onRenewalFailed: (error) => failures.push(error),
    });
    machines.push(queues);
    const queue = queues(fleet, 'normal');
    const look = async (leaseSeconds = 300) =>
      (await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds })).leases;
    return { queue, look, kill: () => queues.stop() };
  };
  return { time, faults: pubSub.faults, subscription, machine, failures, fleet };
}

describe('a lease on Pub/Sub', () => {
  it('lasts as long as a task of forty minutes, which runs exactly once (lesson 8)', async () => {
    const { time, machine, subscription } = prepare();
    const [worker, other] = [machine(), machine()];
    await worker.queue.send(messages(1));
    const [lease] = await worker.look(45 * MINUTE);

    const seen: unknown[] = [];
    for (let minute = 0; minute < 40; minute += 1) {
      await time.advance(MINUTE);
      seen.push(...(await other.look()));
    }
    await worker.queue.acknowledge(lease ? [lease] : []);
    await time.advance(60 * MINUTE);
    seen.push(...(await other.look()));

    expect(lease?.receiveCount).toBe(1);
    expect(seen).toEqual([]);
    expect(subscription.backlog).toEqual({ waiting: 0, outstanding: 0 });
  });

  it('ends when it was said to, to the second, though it was renewed until then', async () => {
    const { time, machine } = prepare();
    const [worker, other] = [machine(), machine()];
    await worker.queue.send(messages(1));
    await worker.look(10 * MINUTE);

    await time.advance(10 * MINUTE - 1);
    expect(await other.look()).toEqual([]);
    await time.advance(2);

    expect(await other.look()).toMatchObject([{ receiveCount: 2 }]);
  });

  it(`of a machine that is killed ends within ${LOCK_SECONDS} seconds, however long it was`, async () => {
    const { time, machine } = prepare();
    const [worker, other] = [machine(), machine()];
    await worker.queue.send(messages(1));
    await worker.look(11 * 3_600);
    await time.advance(20 * MINUTE);

    worker.kill();
    await time.advance(LOCK_SECONDS - RENEWAL_SECONDS - 1);
    expect(await other.look()).toEqual([]);
    await time.advance(RENEWAL_SECONDS + 1);

    expect(await other.look()).toMatchObject([{ receiveCount: 2 }]);
  });

  it('is renewed for all messages of a queue in one call, and for none that were acknowledged or given back', async () => {
    const { time, machine, subscription } = prepare();
    const worker = machine();
    await worker.queue.send(messages(9));
    const leases = await worker.look(60 * MINUTE);
    const renewed: number[] = [];
    const modify = subscription.modifyAckDeadline.bind(subscription);
    subscription.modifyAckDeadline = (ackIds, seconds) => {
      renewed.push(ackIds.length);
      modify(ackIds, seconds);
    };

    await time.advance(RENEWAL_SECONDS);
    await worker.queue.acknowledge(leases.slice(0, 4));
    await time.advance(RENEWAL_SECONDS);
    await worker.queue.changeLease(leases.slice(4, 6), 0);
    renewed.pop();
    await time.advance(RENEWAL_SECONDS);

    expect(renewed).toEqual([9, 5, 3]);
  });

  it('that is made shorter is renewed no longer than that', async () => {
    const { time, machine } = prepare();
    const [worker, other] = [machine(), machine()];
    await worker.queue.send(messages(1));
    await worker.queue.changeLease(await worker.look(60 * MINUTE), 90);

    await time.advance(91);

    expect(await other.look()).toHaveLength(1);
  });

  it('outlives renewals that fail, as long as one succeeds before it is over, and says that they did', async () => {
    const { time, machine, faults, failures } = prepare();
    const [worker, other] = [machine(), machine()];
    await worker.queue.send(messages(1));
    await worker.look(30 * MINUTE);

    faults.down = true;
    await time.advance(RENEWAL_SECONDS + 30);
    faults.down = false;
    await time.advance(5 * MINUTE);

    expect(failures.length).toBeGreaterThan(1);
    expect(failures.every((each) => each instanceof TransientError)).toBe(true);
    expect(await other.look()).toEqual([]);
  });

  it('keeps no process alive that has nothing else left', async () => {
    const { subscription, machine, fleet } = prepare();
    await machine().queue.send(messages(1));
    const script = `
      const { pubSubTaskQueues } = await import('./adapters/gcp/pubsub-task-queue.ts');
      const queues = pubSubTaskQueues({ queueUrlPrefix: '${gcp().queueUrlPrefix}', stage: 'test', token: null });
      const queue = queues('${fleet}', 'normal');
      const { leases } = await queue.receive({ maxMessages: 1, waitSeconds: 0, leaseSeconds: 3600 });
      process.stdout.write(String(leases.length));`;

    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 20_000,
    });

    expect(stdout).toBe('1');
    expect(subscription.backlog.outstanding).toBe(1);
  });
});

describe('the task queue on Pub/Sub', () => {
  it.each([
    ['it is throttled', { status: 429 }],
    ['it is unavailable', { status: 503 }],
    ['an answer is lost', { lost: true }],
  ])('loses no task when %s, whatever it is asked', async (_what, fault) => {
    const { time, machine, faults, subscription } = prepare();
    const worker = machine();
    const operations = ['publish', 'pull', 'modifyAckDeadline', 'acknowledge'];
    faults.set(...operations.map((operation) => ({ operation, times: 2, ...fault })));

    await worker.queue.send(messages(20));
    const done = new Set<string>();
    // What was pulled with an answer that was lost comes again by the subscription's own deadline.
    for (let round = 0; round < 10 && done.size < 20; round += 1) {
      const leases = await worker.look();
      await worker.queue.acknowledge(leases);
      for (const { message } of leases) done.add(message.taskId);
      if (leases.length === 0) await time.advance(MINUTE);
    }
    // A publication whose answer was lost is made again: at least once is more often, and never another task.
    for (let round = 0; round < 3; round += 1) {
      await time.advance(2 * MINUTE);
      for (let more = await worker.look(); more.length > 0; more = await worker.look()) {
        for (const { message } of more) done.add(message.taskId);
        await worker.queue.acknowledge(more);
      }
    }

    expect(faults.left).toBe(0);
    expect(done.size).toBe(20);
    expect(subscription.backlog).toEqual({ waiting: 0, outstanding: 0 });
  });

  it('says that it is a passing trouble when Pub/Sub is gone, and goes on when it is back', async () => {
    const { machine, faults } = prepare();
    const { queue, look } = machine();
    faults.down = true;

    await expect(queue.send(messages(3))).rejects.toThrow(TransientError);
    await expect(look()).rejects.toThrow(TransientError);
    // Longer than all its tries take on a busy machine: a long poll that is over has simply found nothing.
    const longPoll = queue.receive({ maxMessages: 1, waitSeconds: 20, leaseSeconds: 60 });
    await expect(longPoll).rejects.toThrow(TransientError);
    faults.down = false;
    await queue.send(messages(3));

    expect(await look()).toHaveLength(3);
  });

  it('knows a queue that does not exist from one that does not answer', async () => {
    const { time: clock, queueUrlPrefix } = gcp();
    const queue = pubSubTaskQueues({ queueUrlPrefix, stage: 'test', token: null, clock })('nowhere', 'normal');

    await expect(queue.send(messages(1))).rejects.toThrow(NotFoundError);
  });

  it('takes no delivery for the first where deliveries are not counted', async () => {
    const { machine } = prepare({});
    const { queue, look } = machine();
    await queue.send(messages(1));

    expect(await look()).toMatchObject([{ receiveCount: 2 }]);
  });

  it('waits for a message, and no longer than it was asked to', async () => {
    const { machine } = prepare();
    const { queue } = machine();
    const waiting = queue.receive({ maxMessages: 1, waitSeconds: 20, leaseSeconds: 60 });
    await queue.send(messages(1));
    expect((await waiting).leases).toHaveLength(1);

    const began = performance.now();
    expect((await queue.receive({ maxMessages: 1, waitSeconds: 1, leaseSeconds: 60 })).leases).toEqual([]);

    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it('sends three thousand messages in three requests', async () => {
    const { machine, subscription } = prepare();
    const { broker } = gcp().pubSub;
    const publish = broker.publish.bind(broker);
    let requests = 0;
    broker.publish = (...call) => {
      requests += 1;
      return publish(...call);
    };

    await machine().queue.send(messages(3_000));
    broker.publish = publish;

    expect([requests, subscription.backlog.waiting]).toEqual([3, 3_000]);
  });
});

describe('the depth of a queue on Pub/Sub', () => {
  it('is not told, but whether the queue answers is', async () => {
    const { machine, faults } = prepare();
    const { queue } = machine();
    expect(await queue.depth()).toBeNull();

    faults.down = true;
    const asked = queue.depth();
    await expect(asked).rejects.toThrow(TransientError);

    faults.clear();
    expect(await queue.depth()).toBeNull();
    const { queueUrlPrefix, time } = gcp();
    const others = pubSubTaskQueues({ queueUrlPrefix, stage: 'test', token: null, clock: time });
    await expect(others('nobodys', 'normal').depth()).rejects.toThrow(NotFoundError);
  });
});
