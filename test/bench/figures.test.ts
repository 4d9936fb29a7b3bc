import { describe, expect, it } from 'vitest';
import type { OperationCount } from '../../local/emulators/protocol/request-counts.ts';
import { type BenchFigures, countsBetween, faultsOfGrowth, faultsOfRun, perTaskOf, trendsOf } from './figures.ts';
import { chargesOf } from './list-prices.ts';
import { ProcessWatch } from './process-figures.ts';
import { reportOf, table } from './report.ts';

const countOf = (requests: number, more: Partial<OperationCount> = {}): OperationCount => ({
  requests,
  requestBytes: 0,
  responseBytes: 0,
  billedChunks: requests,
  writeUnits: 0,
  readUnits: 0,
  ...more,
});

const figuresOf = (tasks: number, perTask: Partial<BenchFigures['perTask']> = {}, submitMiB = 100): BenchFigures => ({
  tasks,
  machines: 2,
  seconds: 10,
  tasksPerSecond: tasks / 10,
  perTask: {
    sqsRequests: 0.4,
    sqsBilled: 0.4,
    dynamodbRequests: 0.03,
    writeUnits: 2.1,
    readUnits: 0.01,
    s3Requests: 0,
    statesRequests: 0,
    ...perTask,
  },
  operations: [],
  startCpuMs: [210, 190],
  processes: [
    { name: 'agent 1', cpuSeconds: 1, peakMiB: 100, bounded: true },
    { name: 'emulators', cpuSeconds: 1, peakMiB: tasks, bounded: false },
  ],
  functions: [{ name: 'submit', invocations: 1, billedSeconds: 0.1, memorySizeMiB: 512, peakMiB: submitMiB }],
});

describe('the figures a task', () => {
  it('are what happened between two countings, by service', () => {
    const before = { SQS: { SendMessageBatch: countOf(5), ListQueues: countOf(1) }, DynamoDB: {} };
    const after = {
      SQS: { SendMessageBatch: countOf(15, { billedChunks: 25 }), ListQueues: countOf(1), ReceiveMessage: countOf(10) },
      DynamoDB: { TransactWriteItems: countOf(2, { writeUnits: 206 }) },
    };

    const operations = countsBetween(before, after);

    expect(operations.map(({ operation, requests }) => [operation, requests])).toEqual([
      ['SendMessageBatch', 10],
      ['ReceiveMessage', 10],
      ['TransactWriteItems', 2],
    ]);
    expect(perTaskOf(operations, 100)).toMatchObject({
      sqsRequests: 0.2,
      sqsBilled: 0.3,
      dynamodbRequests: 0.02,
      writeUnits: 2.06,
    });
  });
});

describe('the budgets', () => {
  it('hold for figures at them, and name each figure that is over', () => {
    expect(faultsOfRun(figuresOf(1_000, { sqsRequests: 0.5, writeUnits: 2.2 }))).toEqual([]);
    expect(faultsOfRun(figuresOf(1_000, { sqsRequests: 0.51, writeUnits: 2.3 }))).toEqual([
      'SQS requests a task: 0.510 of at most 0.5 (1000 tasks)',
      'DynamoDB write units a task: 2.300 of at most 2.2 (1000 tasks)',
    ]);
  });

  it('are not for jobs of a few hundred tasks, which share what a job costs once', () => {
    expect(faultsOfRun(figuresOf(500, { sqsRequests: 0.6 }))).toEqual([]);
  });

  it('name the machines whose agents died under way', () => {
    const agents = [1, 2, 3].map((n) => ({ name: `agent ${n}`, cpuSeconds: 1, peakMiB: 100, bounded: true }));

    expect(faultsOfRun({ ...figuresOf(100), processes: agents })).toEqual([
      '3 agents were needed for 2 machines (100 tasks)',
    ]);
  });

  it('let a larger job cost less a task, and not more than 5 % more', () => {
    const runs = (larger: number) => [figuresOf(10_000, { sqsRequests: larger }), figuresOf(1_000)];

    expect(faultsOfGrowth(runs(0.1))).toEqual([]);
    expect(faultsOfGrowth(runs(0.42))).toEqual([]);
    expect(faultsOfGrowth(runs(0.6))).toEqual(['requests a task grow by 47 % (0.43 → 0.63) from 1000 to 10000 tasks']);
  });

  it('tell how what a task costs changes with the size of a job', () => {
    expect(
      trendsOf([figuresOf(50_000, { sqsRequests: 0.1 }), figuresOf(10_000, { sqsRequests: 0.1 }), figuresOf(1_000)]),
    ).toEqual([
      'From 1,000 to 10,000 tasks, a task:',
      '  SQS requests -75.0 %',
      '  DynamoDB write units flat within 5 % (+0.0 %)',
      '  all requests -69.8 %: 333 once a job, 0.097 for each further task',
      'From 10,000 to 50,000 tasks, a task:',
      '  SQS requests flat within 5 % (+0.0 %)',
      '  DynamoDB write units flat within 5 % (+0.0 %)',
      '  all requests flat within 5 % (+0.0 %): 0 once a job, 0.130 for each further task',
    ]);
  });

  it('let neither agent nor function grow with the size of a job; the emulators hold its data', () => {
    expect(faultsOfGrowth([figuresOf(1_000), figuresOf(10_000, {}, 120)])).toEqual([]);
    expect(faultsOfGrowth([figuresOf(1_000), figuresOf(10_000, {}, 300)])).toEqual([
      'the memory of submit grows by 200 % (100 → 300) from 1000 to 10000 tasks',
    ]);
  });
});

describe('what AWS would charge', () => {
  it('is reckoned from billed units, requests and the time and size of functions', () => {
    const operation = (service: string, name: string, more: Partial<OperationCount>) => ({
      ...countOf(0, more),
      service,
      operation: name,
    });
    const charges = chargesOf({
      operations: [
        operation('SQS', 'SendMessageBatch', { requests: 1_000_000, billedChunks: 2_000_000 }),
        operation('DynamoDB', 'TransactWriteItems', { writeUnits: 2_000_000 }),
        operation('DynamoDB', 'Query', { readUnits: 4_000_000 }),
        operation('S3', 'PutObject', { requests: 1_000 }),
        operation('S3', 'GetObject', { requests: 10_000 }),
      ],
      functions: [{ name: 'submit', invocations: 1_000_000, billedSeconds: 1_000, memorySizeMiB: 512, peakMiB: 50 }],
    });

    expect(Object.fromEntries(charges.map(({ what, usd }) => [what, Number(usd.toFixed(4))]))).toEqual({
      'DynamoDB writes': 1.25,
      'DynamoDB reads': 0.5,
      SQS: 1,
      S3: 0.009,
      Lambda: 0.2067,
    });
  });
});

describe('the report', () => {
  it('aligns words to the left and numbers to the right', () => {
    expect(
      table([
        ['a task', 'n'],
        ['x', '1.50'],
        ['yyyyyyy', '12.25'],
      ]),
    ).toBe(['a task   n', 'x         1.50', 'yyyyyyy  12.25'].join('\n'));
  });

  it('names every figure with its budget', () => {
    expect(reportOf(figuresOf(1_000))).toMatch(/SQS requests +0\.4000 +0\.5\n/);
    expect(reportOf(figuresOf(1_000))).toContain('CPU of an agent until it asked for its first tasks: 190, 210 ms');
  });
});

describe('the watch over processes', () => {
  it('sees only those of its run', async () => {
    const watch = new ProcessWatch('no process has this in its environment');

    await watch.look();

    expect(watch.figures()).toEqual([]);
  });
});
