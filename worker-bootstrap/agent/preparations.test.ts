import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { COMMIT, jobIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { NO_CREDENTIALS } from '../../test/fakes/no-credentials.ts';
import { readPath } from '../testing/config.ts';
import { systemClock } from './clock.ts';
import { type Code, type Preparation, Preparations } from './preparations.ts';
import { ProcessGroups } from './process-groups.ts';

const JOB = jobIdFactory();

function setUp({ backoffSeconds = 60, setupSeconds = 20, patienceSeconds = 0.3, commandPath = readPath() } = {}) {
  const workDir = temporaryFolder();
  const tried: Preparation['kind'][] = [];
  const stop = new AbortController();
  const preparations = new Preparations({
    settings: { workDir, taskUser: null, setupSeconds, graceSeconds: 0.2, cancelGraceSeconds: 0.2, commandPath },
    groups: new ProcessGroups(workDir),
    credentials: NO_CREDENTIALS,
    clock: systemClock,
    random: () => 0.5,
    stop: stop.signal,
    kill: new AbortController().signal,
    backoffSeconds,
    patienceSeconds,
    onTried: (_, outcome) => tried.push(outcome.kind),
  });
  return { preparations, tried, stop, workDir };
}

const codeOf = (repository: string, commit: string, more: Partial<Code> = {}): Code => ({
  repository,
  commit,
  setup: null,
  run: ['true'],
  ...PLAIN_CODE,
  ...more,
});

const fileIn = (preparation: Preparation, name: string): string =>
  preparation.kind === 'ready' ? readFileSync(join(preparation.folder, name), 'utf8') : JSON.stringify(preparation);

describe('a preparation', () => {
  it('checks out the very commit, also one that no branch points to', async () => {
    const { preparations } = setUp();
    const { url, commit } = gitRepository();
    const first = commit({ a: 'one' });
    commit({ a: 'two' });

    const prepared = await preparations.prepare(codeOf(url, first), JOB);

    expect(fileIn(prepared, 'a')).toBe('one');
  });

  it('is made once, however many tasks ask for it, and another commit gets another one', async () => {
    const { preparations, tried } = setUp();
    const { url, commit } = gitRepository();
    const first = codeOf(url, commit({ a: 'one' }), { setup: 'echo x >> count' });
    const second = codeOf(url, commit({ a: 'two' }), { setup: 'echo x >> count' });
    expect(preparations.isReady(first)).toBe(false);

    const [one, same, other] = await Promise.all([first, first, second].map((code) => preparations.prepare(code, JOB)));
    const later = await preparations.prepare(first, JOB);

    expect(preparations.isReady(first)).toBe(true);
    expect([one, same, later].map((each) => each && fileIn(each, 'count'))).toEqual(['x\n', 'x\n', 'x\n']);
    expect(fileIn(other!, 'a')).toBe('two');
    expect(tried).toEqual(['ready', 'ready']);
  });

  it('falls back to a whole fetch where the server gives out no bare commit', async () => {
    const bin = temporaryFolder();
    const log = join(bin, 'log');
    const refusing = `#!/bin/sh\necho "$*" >> ${log}\ncase "$*" in *--depth=1*) echo 'error: Server does not allow request for unadvertised object' >&2; exit 128;; esac\nPATH='${readPath()}' exec git "$@"\n`;
    writeFileSync(join(bin, 'git'), refusing);
    chmodSync(join(bin, 'git'), 0o755);
    const { preparations } = setUp({ commandPath: `${bin}:${readPath()}` });
    const { url, commit } = gitRepository();
    const first = commit({ a: 'one' });
    commit({ a: 'two' });

    const prepared = await preparations.prepare(codeOf(url, first), JOB);

    expect(fileIn(prepared, 'a')).toBe('one');
    expect(readFileSync(log, 'utf8').match(/ fetch /g)).toHaveLength(2);
  });

  it('runs no hook, follows no submodule and asks no question', async () => {
    const { preparations } = setUp();
    const inner = gitRepository();
    inner.commit({ secret: 's' });
    const { url, commit, git } = gitRepository();
    git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner.url, 'inner');
    const mark = join(temporaryFolder(), 'hooked');
    const sha = commit({ '.githooks/post-checkout': `#!/bin/sh\ntouch ${mark}\n`, a: 'x' });

    const prepared = await preparations.prepare(codeOf(url, sha), JOB);

    expect(fileIn(prepared, 'a')).toBe('x');
    expect(prepared.kind === 'ready' && existsSync(join(prepared.folder, 'inner/secret'))).toBe(false);
    expect(existsSync(mark)).toBe(false);
  });

  it.each([
    ['--upload-pack=touch /tmp/x', 'neither https:, http: nor file:'],
    ['ext::sh -c "touch /tmp/x"', 'neither https:, http: nor file:'],
    ['file:///no/such/repository', 'git fetch failed with exit code 128'],
  ])('of %j fails, and says why', async (repository, words) => {
    const { preparations } = setUp();

    const prepared = await preparations.prepare(codeOf(repository, COMMIT), JOB);

    expect(prepared.kind === 'failed' && prepared.reason).toContain(words);
  });

  it('of a commit that is not there fails', async () => {
    const { preparations } = setUp();
    const { url, commit } = gitRepository();
    commit({ a: 'one' });

    expect(await preparations.prepare(codeOf(url, COMMIT), JOB)).toMatchObject({ kind: 'failed' });
  });

  it('runs setup in the checkout, as one line of shell, with the environment of the job and not of the agent', async () => {
    const { preparations } = setUp();
    const { url, commit } = gitRepository();
    const sha = commit({ a: 'one' });
    const setup = 'cat a > b && echo "$X $SHOAL_COMMIT" >> b; env | cut -d= -f1 | sort > names';

    const prepared = await preparations.prepare(codeOf(url, sha, { setup, env: { X: 'y' } }), JOB);

    expect(fileIn(prepared, 'b')).toBe(`oney ${sha}\n`);
    expect(
      fileIn(prepared, 'names')
        .split('\n')
        .filter((name) => !['_', 'OLDPWD', 'PWD', 'SHLVL', ''].includes(name)),
    ).toEqual(['HOME', 'LANG', 'PATH', 'SHOAL_COMMIT', 'TMPDIR', 'X']);
  });

  it('whose setup fails says so with the end of its output', async () => {
    const { preparations } = setUp();
    const { url, commit } = gitRepository();
    const code = codeOf(url, commit({ a: 'one' }), { setup: 'echo no such package >&2; exit 3' });

    expect(await preparations.prepare(code, JOB)).toEqual({
      kind: 'failed',
      reason: 'setup failed with exit code 3: no such package',
    });
  });

  it('takes no longer than it may', async () => {
    const { preparations } = setUp();
    const { url, commit } = gitRepository();
    const code = codeOf(url, commit({ a: 'one' }), {
      setup: "trap '' TERM; while :; do sleep 0.1; done",
      setupTimeoutSeconds: 0.5,
    });

    const prepared = await preparations.prepare(code, JOB);

    expect(prepared.kind === 'failed' && prepared.reason).toContain('setup took too long');
  });

  it('that failed is not tried again at once, but later', async () => {
    const { preparations, tried } = setUp({ backoffSeconds: 0.2 });
    const { url, commit } = gitRepository();
    const flag = join(temporaryFolder(), 'flag');
    const code = codeOf(url, commit({ a: 'one' }), { setup: `test -e ${flag}` });

    const [first, second] = [await preparations.prepare(code, JOB), await preparations.prepare(code, JOB)];
    expect([first.kind, second.kind, tried.length, preparations.failuresInARow]).toEqual(['failed', 'failed', 1, 1]);

    writeFileSync(flag, '');
    await delay(250);
    expect(await preparations.prepare(code, JOB)).toMatchObject({ kind: 'ready' });
    expect(preparations.failuresInARow).toBe(0);
  });

  it('that failed leaves its folder no longer than its failure stands', async () => {
    const { preparations, workDir } = setUp({ backoffSeconds: 0.2 });
    const { url, commit } = gitRepository();
    await preparations.prepare(codeOf(url, commit({ a: 'one' }), { setup: 'exit 1' }), JOB);

    await until(() => readdirSync(join(workDir, 'checkouts')).length === 0, 'its folder is gone');
  });

  it('that is stopped is no failure', async () => {
    const { preparations, stop, workDir } = setUp();
    const { url, commit } = gitRepository();
    const mark = join(workDir, 'up');
    const preparing = preparations.prepare(codeOf(url, commit({ a: '1' }), { setup: `touch ${mark}; sleep 60` }), JOB);
    await until(() => existsSync(mark), 'setup runs');

    stop.abort();

    expect(await preparing).toEqual({ kind: 'stopped' });
    expect(preparations.failuresInARow).toBe(0);
  });
});

describe('a preparation whose jobs are over', () => {
  const isOver =
    (...jobs: string[]) =>
    (jobId: string): boolean =>
      jobs.includes(jobId);
  const [one, other] = [jobIdFactory(1), jobIdFactory(2)];

  /** A setup that says each time that it runs, and takes its time unless it is told not to. */
  function slowSetup() {
    const [runs, quick] = [join(temporaryFolder(), 'runs'), join(temporaryFolder(), 'quick')];
    const marker = basename(dirname(runs));
    const { url, commit } = gitRepository();
    const sleeper = `sh -c 'trap "" TERM; while ! test -e ${quick}; do sleep 0.05; done' ${marker}`;
    const setup = `echo x >> ${runs}; ${sleeper} & setsid ${sleeper} & ${sleeper}; echo done > made`;
    return {
      code: codeOf(url, commit({ a: 'one' }), { setup }),
      hurry: () => writeFileSync(quick, ''),
      isRunning: () => until(() => runningWith(marker).length >= 3, 'setup runs'),
      isGone: () => until(() => runningWith(marker).length === 0, 'setup is gone'),
      runs: () => readFileSync(runs, 'utf8').length / 2,
    };
  }

  it('ends with all that it started, leaves nothing behind and is no failure', async () => {
    const { preparations, tried, workDir } = setUp();
    const setup = slowSetup();
    const preparing = preparations.prepare(setup.code, one);
    await setup.isRunning();
    expect(preparations.isBusy).toBe(true);

    preparations.endJobs(isOver(one));

    expect(await preparing).toEqual({ kind: 'stopped' });
    expect([preparations.isBusy, preparations.failuresInARow]).toEqual([false, 0]);
    await setup.isGone();
    expect(readdirSync(join(workDir, 'checkouts'))).toEqual([]);
    expect(tried).toEqual(['stopped']);
  });

  it('goes on as long as another job needs it', async () => {
    const { preparations } = setUp();
    const setup = slowSetup();
    const [preparing] = [preparations.prepare(setup.code, one), preparations.prepare(setup.code, other)];
    await setup.isRunning();

    preparations.endJobs(isOver(one));
    setup.hurry();

    expect(fileIn(await preparing, 'made')).toBe('done\n');
    expect(setup.runs()).toBe(1);
  });

  it('is made anew for a job that comes while it ends', async () => {
    const { preparations, tried } = setUp();
    const setup = slowSetup();
    const preparing = preparations.prepare(setup.code, one);
    await setup.isRunning();
    preparations.endJobs(isOver(one));

    const again = preparations.prepare(setup.code, other);
    setup.hurry();

    expect(await preparing).toEqual({ kind: 'stopped' });
    expect(fileIn(await again, 'made')).toBe('done\n');
    expect([setup.runs(), tried]).toEqual([2, ['stopped', 'ready']]);
  });

  it('does not wait for a host that does not answer', async () => {
    const { preparations } = setUp({ patienceSeconds: 60 });
    const silent = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    let asked = 0;
    silent.on('connection', () => {
      asked += 1;
    });
    const preparing = preparations.prepare(codeOf(`http://127.0.0.1:${port}/a/b`, COMMIT), one);
    await until(() => asked > 0, 'the host is asked');

    preparations.endJobs(isOver(one));

    expect(await preparing).toEqual({ kind: 'stopped' });
  });

  it('is a checkout like any other once it is made', async () => {
    const { preparations, tried } = setUp();
    const { url, commit } = gitRepository();
    const code = codeOf(url, commit({ a: 'one' }));
    await preparations.prepare(code, one);

    preparations.endJobs(isOver(one));

    expect(fileIn(await preparations.prepare(code, other), 'a')).toBe('one');
    expect(tried).toEqual(['ready']);
  });
});
