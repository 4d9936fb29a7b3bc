/** The README's commands as a newcomer runs them, and what they leave behind: nothing. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPorts, portsFrom } from '../../local/ports.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The first of six consecutive ports that are free now; below those that the system hands out by itself. */
async function freeBasePort(): Promise<string | undefined> {
  const base = 10_000 + Math.floor(Math.random() * 20_000);
  return checkPorts(portsFrom(base)).then(
    () => String(base),
    () => undefined,
  );
}

interface Command {
  readonly process: ChildProcess;
  /** stdout and stderr so far. */
  output(): string;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** What a terminal does on Ctrl-C: SIGINT to the whole foreground group. */
  interrupt(): void;
}

function start(script: string, ...parameters: string[]): Command {
  const child = spawn(process.execPath, [join(ROOT, script), ...parameters], { cwd: ROOT, detached: true });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  return {
    process: child,
    output: () => output,
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
    interrupt: () => process.kill(-(child.pid ?? 0), 'SIGINT'),
  };
}

describe('npm run demo', () => {
  it('runs 24 tasks on two machines, prints their results, and leaves no process', async () => {
    const demo = start('local/demo.ts');

    const code = await demo.ended;

    expect(demo.output()).toContain('COMPLETED: 24 completed, 0 failed, 0 cancelled');
    expect(demo.output()).toMatch(/gettysburg +16 +11 +the 4/);
    expect(code).toBe(0);
    expect(await processesWith('.shoal/demo-')).toEqual([]);
  });

  it('tells what it does when asked for help, refuses options that it has not, and starts nothing', async () => {
    const [helped, wrong] = [start('local/demo.ts', '--help'), start('local/demo.ts', '--keep')];

    expect([await helped.ended, await wrong.ended]).toEqual([0, 2]);
    expect(helped.output()).toContain('npm run demo');
    expect(wrong.output()).toContain("Unknown option '--keep'");
    for (const { output } of [helped, wrong]) expect(output()).not.toContain('starting');
  });
});

describe('npm start', () => {
  let folder: string;
  let basePort: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-start-'));
    basePort = await until('six free ports', 10, freeBasePort);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const started = (...more: string[]) => start('local/start.ts', '--port', basePort, '--data', folder, ...more);
  const local = () =>
    until('local.json is there', 60, async () => {
      const path = join(folder, 'local.json');
      return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
    });
  const gone = () =>
    until('no process is left', 20, async () => ((await processesWith(folder)).length === 0 ? true : undefined));

  it('prints a curl that submits a first job, and Ctrl-C ends everything, running tasks included', async () => {
    const shoal = started();
    const description = await local();
    const curl = await until('the curl is printed', 5, async () => /^ *(curl .*?@\S+)/m.exec(shoal.output())?.[1]);

    const { stdout } = await run('bash', ['-c', curl], { cwd: ROOT });
    const { jobId } = JSON.parse(stdout);
    await until('its tasks run', 60, async () => ((await processesWith(jobId)).length > 0 ? true : undefined));
    expect((await new ApiClient(description).job(jobId)).taskCount).toBe(24);
    shoal.interrupt();

    expect(await shoal.ended).toBe(0);
    expect(shoal.output()).toMatch(/stopping; .*\n.*npm start -- --keep goes on with them/);
    expect(await processesWith(folder)).toEqual([]);
    expect(await processesWith(jobId)).toEqual([]);
    expect(existsSync(join(folder, 'local.json'))).toBe(false);
  });

  it('says which port or folder is taken, and leaves the run that has it alone', async () => {
    const first = started();
    await local();

    const second = start('local/start.ts', '--port', basePort, '--data', join(folder, 'second'));

    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`port ${basePort}`);
    expect(second.output()).not.toMatch(/ at .*\.ts:/);
    const third = started();
    expect(await third.ended).toBe(1);
    expect(third.output()).toContain(`another local run uses ${folder}; stop it, or choose another folder with --data`);
    expect(first.process.exitCode).toBeNull();
    first.interrupt();
    expect(await first.ended).toBe(0);
    await gone();
  });

  it('leaves no process even when it is killed with -9', async () => {
    const shoal = started();
    const description = await local();
    await until('it says that it runs', 10, async () => (shoal.output().includes('Ctrl-C stops') ? true : undefined));
    const first = JSON.parse(await readFile(join(folder, 'first-job.json'), 'utf8'));
    const jobId = await new ApiClient(description).submit(first);
    await until('its tasks run', 60, async () => ((await processesWith(jobId)).length > 0 ? true : undefined));

    shoal.process.kill('SIGKILL');

    await gone();
    expect(await processesWith(jobId)).toEqual([]);
  });

  it('goes on with --keep where a kill -9 left it, although the queues were only in memory (lesson 5)', async () => {
    const shoal = started();
    const told = await local();
    const before = new ApiClient(told);
    await until('it says that it runs', 10, async () => (shoal.output().includes('Ctrl-C stops') ? true : undefined));
    const first = JSON.parse(await readFile(join(folder, 'first-job.json'), 'utf8'));
    const jobId = await before.submit(first);
    const done = await until('some tasks are done, not all', 60, async () => {
      const { counters } = await before.job(jobId);
      return counters.completed > 0 ? counters.completed : undefined;
    });
    shoal.process.kill('SIGKILL');
    await gone();
    await rm(join(folder, 'local.json'), { force: true });

    const again = started('--keep');
    const toldAgain = await local();
    const after = new ApiClient(toldAgain);
    const ended = await after.untilEnded(jobId, 90);

    expect(toldAgain.apiKey).toBe(told.apiKey);
    expect(again.output()).toContain('going on with 1 job of an earlier run');
    expect(done).toBeLessThan(24);
    expect(ended).toMatchObject({ status: 'COMPLETED', counters: { completed: 24, pending: 0, running: 0 } });
    expect(await after.results(jobId)).toHaveLength(24);
    again.interrupt();
    expect(await again.ended).toBe(0);
  });

  it('closes without --keep what an earlier run left open, and keeps what had ended', async () => {
    const shoal = started();
    const before = new ApiClient(await local());
    await until('it says that it runs', 10, async () => (shoal.output().includes('Ctrl-C stops') ? true : undefined));
    const first = JSON.parse(await readFile(join(folder, 'first-job.json'), 'utf8'));
    const jobId = await before.submit(first);
    shoal.process.kill('SIGKILL');
    await gone();
    await rm(join(folder, 'local.json'), { force: true });

    const again = started();
    const after = new ApiClient(await local());

    expect(await after.job(jobId)).toMatchObject({
      status: 'CANCELLED',
      statusReason: expect.stringMatching(/--keep/),
    });
    expect(again.output()).toContain('closing 1 job of an earlier run (--keep goes on with them)');
    again.interrupt();
    expect(await again.ended).toBe(0);
  });
});
