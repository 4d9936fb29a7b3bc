import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { readStackTemplate } from '../template.ts';
import { FunctionPool } from './function-pool.ts';
import { functionSpecsOf } from './function-spec.ts';
import { type TestStack, writeTestStack } from './test-stack.ts';

let stack: TestStack | undefined;
let pool: FunctionPool | undefined;
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
  pool = new FunctionPool(spec, new PassThrough().resume());
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
