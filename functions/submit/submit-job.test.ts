import { describe, expect, it } from 'vitest';
import { ConflictError, TransientError, ValidationError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { JobStore } from '../../core/ports.ts';
import { COMMIT, jobIdFactory, ulidOf } from '../../test/factories/ids.ts';
import { countersFactory } from '../../test/factories/job.ts';
import { at, ManualClock, START } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { submissionFactory } from '../../test/factories/submission.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryCodeResolver } from '../../test/fakes/in-memory-code-resolver.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import type { SubmissionRules } from './check-submission.ts';
import { submitJob } from './submit-job.ts';
import type { SubmitPorts } from './take-job.ts';

const rules: SubmissionRules = {
  fleets: fleetsOf(
    fleetsFileSchema.parse({
      fleets: { default: { provider: 'aws' }, dear: { provider: 'aws', idleSeconds: 3_600 }, gcp: { provider: 'gcp' } },
    }),
  ),
  repositoryHosts: ['github.com'],
  allowLocalRepositories: false,
  resolver: new InMemoryCodeResolver({ 'https://github.com/acme/word-count': { main: COMMIT } }),
};

function prepare() {
  const tables = new InMemoryTables();
  const blobs = new InMemoryBlobStore();
  const machine = new InMemoryJobMachine();
  const waker = new InMemoryWaker();
  const clock = new ManualClock();
  const offers = new InMemoryOfferSource([offerFactory()]);
  const notEstimated: unknown[] = [];
  let made = 0;
  const ulid = () => {
    made += 1;
    return ulidOf(made);
  };
  const ports: SubmitPorts = {
    jobs: new InMemoryJobStore(tables),
    blobs,
    machine,
    waker,
    clock,
    ulid,
    offers,
    onNotEstimated: (error) => void notEstimated.push(error),
  };
  const submit = (document: unknown = submissionFactory(), idempotencyKey?: string, keyId = 'key-1') =>
    submitJob({ document, keyId, idempotencyKey }, rules, ports);
  return { tables, blobs, machine, waker, clock, offers, notEstimated, ports, submit };
}

const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');

describe('a submission over several fleets', () => {
  const tasks = (count: number) => Array.from({ length: count }, (_, n) => ({ input: { n } }));

  it('is placed by price and capacity, and estimated for each share and altogether', async () => {
    const { tables, submit } = prepare();

    // 10 machines of one slot do 15 tasks each within a quarter of an hour.
    const document = submissionFactory({ fleet: ['dear', 'default'], tasks: tasks(200), expectedSeconds: 60 });
    const { jobId, estimate } = await submit(document);

    const job = tables.jobs.get(jobId)?.job;
    expect(job).toMatchObject({ fleet: ['dear', 'default'], moved: null });
    expect(job?.placement).toMatchObject({
      shares: [
        { fleet: 'dear', tasks: 50 },
        { fleet: 'default', tasks: 150 },
      ],
      left: [],
      reasons: [expect.stringMatching(/^default gets 150 of 200 tasks at \$/), expect.stringMatching(/^dear gets 50/)],
    });
    expect(estimate).toMatchObject({
      fleet: ['dear', 'default'],
      shares: [
        { tasks: 50, estimate: { fleet: 'dear' } },
        { tasks: 150, estimate: { fleet: 'default' } },
      ],
    });
    expect(estimate?.costUsd?.likely).toBeGreaterThan(0);
  });

  it('is placed by capacity when no prices can be had, and taken without an estimate', async () => {
    const { tables, offers, submit } = prepare();
    offers.unreachable = true;

    const { jobId, estimate } = await submit(submissionFactory({ fleet: ['default', 'dear'], tasks: tasks(10) }));

    expect(estimate).toBeNull();
    expect(tables.jobs.get(jobId)?.job.placement?.shares.map((share) => share.tasks)).toEqual([5, 5]);
  });

  it('gives nothing to a fleet that is in trouble, or sold out', async () => {
    const { tables, ports } = prepare();
    const store = new InMemoryFleetStore();
    const state = { intents: [], lastPlan: null };
    const trouble = { kind: 'boot', reason: 'its machines do not boot', since: START, seenAt: START } as const;
    await store.writeState('default', { ...state, trouble }, 0);
    const document = submissionFactory({ fleet: ['default', 'dear'], tasks: tasks(10) });

    const { jobId } = await submitJob({ document, keyId: 'key-1', idempotencyKey: undefined }, rules, {
      ...ports,
      fleetStates: store,
    });

    const placement = tables.jobs.get(jobId)?.job.placement;
    expect(placement?.shares.map((share) => share.tasks)).toEqual([0, 10]);
    expect(placement?.reasons).toContain('default gets nothing: its machines do not boot');
  });

  it('of which it names one only is on one fleet', async () => {
    const { tables, submit } = prepare();

    const { jobId } = await submit(submissionFactory({ fleet: ['dear'] }));

    expect(tables.jobs.get(jobId)?.job).toMatchObject({ fleet: 'dear', placement: null });
  });
});

describe('a submission that is accepted', () => {
  it('is answered with its id, the number of its tasks and where to look', async () => {
    const { submit } = prepare();

    const answer = await submit();

    const self = `/v1/jobs/${jobIdFactory()}`;
    const parts = ['tasks', 'results', 'failures', 'audit', 'retry'];
    const links = { self, ...Object.fromEntries(parts.map((part) => [part, `${self}/${part}`])) };
    expect(answer).toMatchObject({ jobId: jobIdFactory(), taskCount: 1 });
    expect(answer.links).toEqual(links);
  });

  it('is told what it will cost and when it will be done, as far as prices are known', async () => {
    const { submit } = prepare();

    const { estimate } = await submit(submissionFactory({ expectedSeconds: 30 }));

    expect(estimate).toMatchObject({
      fleet: 'default',
      machine: { instanceType: 'c7g.medium', count: 1 },
      secondsPerTask: { likely: 30, basis: 'as expectedSeconds says' },
      finishAt: { likely: at(90) },
      conflicts: [],
    });
    expect(estimate?.costUsd?.likely).toBeGreaterThan(0);
  });

  it('is taken without an estimate when prices cannot be had, and somebody is told', async () => {
    const { submit, offers, notEstimated, tables } = prepare();
    offers.unreachable = true;

    const { jobId, estimate } = await submit();

    expect(estimate).toBeNull();
    expect(tables.jobs.has(jobId)).toBe(true);
    expect(notEstimated).toEqual([expect.any(TransientError)]);
  });

  it('learns the seconds of its tasks from earlier jobs that ran the same', async () => {
    const { submit, tables } = prepare();
    const earlier = await submit();
    const known = tables.jobs.get(earlier.jobId);
    if (!known) throw new Error('the job is not there');
    tables.jobs.set(earlier.jobId, {
      job: { ...known.job, status: 'COMPLETED' },
      counters: countersFactory({ completed: 2, completedSeconds: 50 }),
    });

    const { jobId, estimate } = await submit();
    const other = await submit(submissionFactory({ name: 'another' }));

    expect(tables.jobs.get(jobId)?.job.learnedSeconds).toBe(25);
    expect(estimate).toMatchObject({
      secondsPerTask: { basis: 'measured: 2 tasks of earlier jobs with this command' },
    });
    expect(tables.jobs.get(other.jobId)?.job.learnedSeconds).toBeNull();
  });

  it('keeps its deadline and its budget', async () => {
    const { submit, tables } = prepare();

    const { jobId } = await submit(submissionFactory({ deadline: at(3_600), budgetUsd: 5 }));

    expect(tables.jobs.get(jobId)?.job).toMatchObject({ deadline: at(3_600), budgetUsd: 5 });
  });

  it('leaves a job that is PENDING at a pinned commit, its execution, and a scaler that was woken', async () => {
    const { tables, machine, waker, submit } = prepare();

    const { jobId } = await submit();

    expect(tables.jobs.get(jobId)?.job).toMatchObject({
      status: 'PENDING',
      code: { ref: 'main', commit: COMMIT },
      taskCount: 1,
      keyed: true,
      createdAt: START,
      taskToken: null,
    });
    expect([...machine.started.keys()]).toEqual([jobId]);
    expect(waker.wakes).toBe(1);
  });

  it('has its inputs written in chunks of 1,000 lines, in order', async () => {
    const { blobs, submit } = prepare();
    const tasks = Array.from({ length: 2_001 }, (_, input) => ({ input }));

    const { jobId } = await submit(submissionFactory({ tasks }));

    const keys = [0, 1, 2].map((chunk) => `jobs/${jobId}/inputs/${chunk}.jsonl`);
    expect(blobs.keys()).toEqual(keys);
    const chunks = await Promise.all(
      keys.map(async (key) =>
        textOf(await blobs.get(key))
          .trimEnd()
          .split('\n'),
      ),
    );
    expect(chunks.map((lines) => lines.length)).toEqual([1_000, 1_000, 1]);
    expect(chunks.flat().map((line) => JSON.parse(line).input)).toEqual(tasks.map(({ input }) => input));
  });

  it('has inputs of null, 0, false and "" written as they are, and is not keyed', async () => {
    const { blobs, tables, submit } = prepare();
    const tasks = [null, 0, false, ''].map((input) => ({ input }));

    const { jobId } = await submit(submissionFactory({ tasks }));

    const text = textOf(await blobs.get(`jobs/${jobId}/inputs/0.jsonl`));
    expect(text).toBe('{"input":null}\n{"input":0}\n{"input":false}\n{"input":""}\n');
    expect(tables.jobs.get(jobId)?.job.keyed).toBe(false);
  });
});

describe('a submission that is refused', () => {
  it('leaves nothing behind: no input, no row, no record of its key, no execution', async () => {
    const { tables, blobs, machine, waker, submit } = prepare();

    await expect(submit(submissionFactory({ fleet: 'moon' }), 'once')).rejects.toThrow(ValidationError);

    expect([tables.jobs.size, tables.idempotency.size, blobs.keys().length, machine.started.size]).toEqual([
      0, 0, 0, 0,
    ]);
    expect(waker.wakes).toBe(0);
  });

  it('may come again with the same key, mended', async () => {
    const { submit } = prepare();
    await expect(submit(submissionFactory({ fleet: 'moon' }), 'once')).rejects.toThrow(ValidationError);

    await expect(submit(submissionFactory(), 'once')).resolves.toMatchObject({ taskCount: 1 });
  });

  it.each(['', 'with space', 'ü', 'x'.repeat(256)])('has the Idempotency-Key "%s"', async (key) => {
    const { submit } = prepare();

    await expect(submit(submissionFactory(), key)).rejects.toMatchObject({ status: 400 });
  });
});

describe('an Idempotency-Key', () => {
  it('that came before gives the same answer, and nothing is made twice', async () => {
    const { tables, machine, submit } = prepare();
    const first = await submit(submissionFactory(), 'once');

    const second = await submit(submissionFactory(), 'once');

    expect(second).toEqual(first);
    expect([tables.jobs.size, machine.started.size]).toEqual([1, 1]);
  });

  it('that came with another body is refused', async () => {
    const { tables, submit } = prepare();
    await submit(submissionFactory(), 'once');

    await expect(submit(submissionFactory({ name: 'other' }), 'once')).rejects.toMatchObject({ status: 422 });
    expect(tables.jobs.size).toBe(1);
  });

  it('belongs to the caller: another one may use the same', async () => {
    const { tables, submit } = prepare();

    await submit(submissionFactory(), 'once', 'key-1');
    await submit(submissionFactory(), 'once', 'key-2');

    expect(tables.jobs.size).toBe(2);
  });

  it('is forgotten after 24 hours', async () => {
    const { tables, clock, submit } = prepare();
    const first = await submit(submissionFactory(), 'once');
    expect([...tables.idempotency.values()][0]?.expiresAt).toBe(at(86_400));

    clock.advance(86_401);

    expect((await submit(submissionFactory(), 'once')).jobId).not.toBe(first.jobId);
  });

  it('starts the execution that a run which died did not start (lesson 5)', async () => {
    const { machine, ports, submit } = prepare();
    const start = machine.start.bind(machine);
    ports.machine.start = async () => {
      throw new Error('the function ran out of time');
    };
    await expect(submit(submissionFactory(), 'once')).rejects.toThrow('out of time');
    expect(machine.started.size).toBe(0);
    ports.machine.start = start;

    const { jobId } = await submit(submissionFactory(), 'once');

    expect([...machine.started.keys()]).toEqual([jobId]);
  });

  it('takes a job whose execution cannot be started now: it is written, and the scaler starts it (lesson 5)', async () => {
    const { tables, ports, submit } = prepare();
    ports.machine.start = async () => {
      throw new TransientError('Step Functions does not answer');
    };

    const answers = [
      await submit(),
      await submit(submissionFactory(), 'once'),
      await submit(submissionFactory(), 'once'),
    ];

    expect(answers[2]).toEqual(answers[1]);
    expect([...tables.jobs.keys()]).toEqual(answers.slice(0, 2).map(({ jobId }) => jobId));
  });

  it('starts nothing again for a job that is on its way', async () => {
    const { tables, machine, submit } = prepare();
    const { jobId } = await submit(submissionFactory(), 'once');
    machine.started.clear();
    for (const row of tables.jobs.values()) row.job = { ...row.job, status: 'COMPLETED' };

    expect((await submit(submissionFactory(), 'once')).jobId).toBe(jobId);
    expect(machine.started.size).toBe(0);
  });

  it('makes one job of two submissions at the same moment', async () => {
    const { tables, machine, submit } = prepare();

    const answers = await Promise.all([submit(submissionFactory(), 'once'), submit(submissionFactory(), 'once')]);

    expect(answers[0]).toEqual(answers[1]);
    expect([tables.jobs.size, machine.started.size]).toEqual([1, 1]);
  });

  it('refuses the second of two different submissions at the same moment', async () => {
    const { tables, submit } = prepare();

    const answers = await Promise.allSettled([
      submit(submissionFactory(), 'once'),
      submit(submissionFactory({ name: 'other' }), 'once'),
    ]);

    expect(answers.map((each) => each.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(tables.jobs.size).toBe(1);
  });

  it('whose first request cannot be seen yet is a conflict, not an answer', async () => {
    const { ports, submit } = prepare();
    const taken: Pick<JobStore, 'create'> = { create: async () => false };
    Object.assign(ports.jobs, taken);

    await expect(submit(submissionFactory(), 'once')).rejects.toThrow(ConflictError);
  });
});
