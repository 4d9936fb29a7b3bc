import { describe, expect, it } from 'vitest';
import { isJobCancelled, withCancelledJob } from '../core/control-document.ts';
import { TransientError } from '../core/errors.ts';
import type { Placement } from '../core/placement.ts';
import { jobFactory } from '../test/factories/job.ts';
import { ManualClock, START } from '../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../test/factories/task-message.ts';
import { InMemoryControlChannel } from '../test/fakes/in-memory-control-channel.ts';
import { inMemoryTaskQueues } from '../test/fakes/in-memory-task-queue.ts';
import { sendTasks } from './send-tasks.ts';
import { tellFleets } from './tell-fleets.ts';

const shares = ['a', 'b', 'c'].map((fleet, index) => ({ fleet, tasks: index < 2 ? 5 : 0 }));
const placement: Placement = { shares, left: [], reasons: [], at: START };
const leftA = [{ fleet: 'a', at: START, reason: 'gone', to: [{ fleet: 'b', tasks: 5 }] }];

async function tell(left: Placement['left'], down: readonly string[]) {
  const job = jobFactory({ fleet: ['a', 'b', 'c'], taskCount: 10, placement: { ...placement, left } });
  const control = new InMemoryControlChannel();
  const update: InMemoryControlChannel['update'] = async (fleet, change) => {
    if (down.includes(fleet)) throw new TransientError('no route to host');
    return control.update(fleet, change);
  };
  const outcome = await tellFleets(job, { update }, (document) =>
    withCancelledJob(document, job.jobId, new Date(START)),
  )
    .then(() => 'told')
    .catch((error: unknown) => String(error));
  const heard: string[] = [];
  for (const fleet of ['a', 'b', 'c']) {
    const read = await control.read(fleet);
    if (read.kind === 'document' && isJobCancelled(read.document, job.jobId)) heard.push(fleet);
  }
  return { outcome, heard };
}

describe('the machines of a job over several fleets', () => {
  it('are told on every fleet that has tasks of it, or had', async () => {
    expect(await tell([], [])).toEqual({ outcome: 'told', heard: ['a', 'b'] });
    expect(await tell(leftA, [])).toEqual({ outcome: 'told', heard: ['a', 'b'] });
  });

  it('are told where they can be, and whoever asked hears that some could not', async () => {
    expect(await tell([], ['a'])).toEqual({ outcome: expect.stringContaining('no route'), heard: ['b'] });
  });

  it('need not be told on a fleet that was left', async () => {
    expect(await tell(leftA, ['a'])).toEqual({ outcome: 'told', heard: ['b'] });
  });
});

describe('task messages', () => {
  it('go to the queues of their fleets, and one that takes nothing keeps no other from its own', async () => {
    const queues = inMemoryTaskQueues({ clock: new ManualClock() });
    queues('a', 'normal').send = async () => {
      throw new TransientError('no route to host');
    };
    const messages = ['a', 'b', 'a', 'c'].map((fleet) => taskMessageFactory({ fleet }));

    await expect(sendTasks(messages, queues)).rejects.toThrow('no route');

    expect(await queues('b', 'normal').depth()).toMatchObject({ visible: 1 });
    expect(await queues('c', 'normal').depth()).toMatchObject({ visible: 1 });
  });
});
