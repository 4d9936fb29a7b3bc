import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PartError, SupervisedProcess } from './supervised-process.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-part-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function start(source: string): Promise<SupervisedProcess> {
  const script = join(folder, 'part.mjs');
  await writeFile(script, source);
  return new SupervisedProcess({ name: 'the part', script, args: [], logPath: join(folder, 'part.log') });
}

const readySchema = z.object({ ready: z.string() });
const SERVE = `process.on('message', (m) => process.send({ ready: m.say })); process.send({ noise: 1 });`;

describe('a supervised process', () => {
  it('is spoken with, and stopped without that being a failure', async () => {
    const part = await start(SERVE);
    const answer = part.receive(readySchema, 10_000);
    part.send({ say: 'hello' });
    expect(await answer).toEqual({ ready: 'hello' });
    expect(part.running).toBe(true);
    await Promise.all([part.stop(5_000), part.stop(5_000)]);
    expect(part.running).toBe(false);
    expect(await Promise.race([part.failure, Promise.resolve('no failure')])).toBe('no failure');
  });

  it('that ends by itself is told with its name, its log and the end of that', async () => {
    const part = await start(`console.error('out of luck'); process.exitCode = 3;`);
    const error = await part.failure;
    expect(error.message).toBe(`the part ended (exit code 3); its log is ${join(folder, 'part.log')}\nout of luck`);
    await expect(part.receive(readySchema, 10_000)).rejects.toBe(error);
  });

  it('that says nothing is not waited for any longer than was said', async () => {
    const part = await start('setInterval(() => {}, 1000);');
    await expect(part.receive(readySchema, 50)).rejects.toThrow(PartError);
    await part.stop(5_000);
  });

  it('that does not want to end is ended', async () => {
    const part = await start(`process.on('SIGTERM', () => console.log('no')); ${SERVE} setInterval(() => {}, 1000);`);
    const answer = part.receive(readySchema, 10_000);
    part.send({ say: 'up' });
    await answer;
    await part.stop(300);
    expect(part.running).toBe(false);
    expect(await readFile(join(folder, 'part.log'), 'utf8')).toContain('no');
  });
});
