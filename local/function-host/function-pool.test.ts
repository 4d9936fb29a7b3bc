import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readStackTemplate } from '../template.ts';
import { FunctionPool } from './function-pool.ts';
import { functionSpecsOf } from './function-spec.ts';
import { reportLineSchema } from './report-line.ts';
import { type TestStack, writeTestStack } from './test-stack.ts';

let stack: TestStack | undefined;
let pool: FunctionPool | undefined;
let log: PassThrough;
beforeEach(() => {
  log = new PassThrough();
});
afterEach(async () => {
  await pool?.stop(0);
  await stack?.[Symbol.asyncDispose]();
});

async function poolOf(source: string, properties = {}): Promise<FunctionPool> {
  stack = await writeTestStack({ one: { source, properties } });
  const { templatePath, functionsDirectory } = stack.configuration;
  const template = await readStackTemplate(templatePath, { queueUrlPrefix: '' });
  const [spec] = functionSpecsOf(template, functionsDirectory);
  if (!spec) throw new Error('the stack has no function');
  pool = new FunctionPool(spec, log);
  return pool;
}

const HANG = 'export const handler = () => new Promise(() => setInterval(() => {}, 1000));';

describe('a pool', () => {
  it('does not run an event that has waited too long', async () => {
    const tested = await poolOf('export const handler = async () => 1;');
    const late = await tested.invoke('{}', Date.now() - 1);
    expect(late).toMatchObject({ kind: 'failed', error: { errorType: 'EventAgeExceeded' } });
    expect(await tested.invoke('{}', Date.now() + 10_000)).toEqual({ kind: 'returned', payload: '1' });
  });

  it('reports in the log how long each invocation took, and how much memory its environment has', async () => {
    const hoard = 'const all = []; export const handler = async () => { all.push(new Array(4e6).fill(0)); };';
    const tested = await poolOf(hoard, { MemorySize: 512 });
    await tested.invoke('{}');
    await tested.invoke('{}');

    const lines = String(log.read()).trim().split('\n');
    const reports = lines.map((line) => reportLineSchema.parse(JSON.parse(line)).record);
    expect(reports.map(({ status, metrics }) => [status, metrics.memorySizeMB])).toEqual([
      ['success', 512],
      ['success', 512],
    ]);
    const [first = 0, second = 0] = reports.map(({ metrics }) => metrics.maxMemoryUsedMB);
    expect(first).toBeGreaterThan(30);
    expect(second - first).toBeGreaterThan(25);
  });

  it('fails what runs and what waits when it is stopped', async () => {
    const tested = await poolOf(HANG, { ReservedConcurrentExecutions: 1, Timeout: 60 });
    const outcomes = Promise.all([tested.invoke('{}'), tested.invoke('{}')]);
    await tested.stop(200);
    expect((await outcomes).map((outcome) => outcome.kind)).toEqual(['failed', 'failed']);
    expect(await tested.invoke('{}')).toMatchObject({ kind: 'failed' });
  });

  it('fails an invocation that needs more memory than the function has', async () => {
    const hoard = 'const all = []; export const handler = async () => { for (;;) all.push(new Array(1e5).fill({})); };';
    const tested = await poolOf(hoard, { MemorySize: 32, Timeout: 60 });
    expect(await tested.invoke('{}')).toMatchObject({
      kind: 'failed',
      error: { errorMessage: expect.stringContaining('memory') },
    });
  });
});
