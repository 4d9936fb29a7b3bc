import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { signalGroup } from '../adapters/local/process-liveness.ts';
import { gitRepository } from '../adapters/local/testing/git-repository.ts';
import { isInGroup, isRunning, runningWith } from '../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';
import { until } from '../adapters/local/testing/until.ts';
import { PLAIN_CODE } from '../test/factories/plain-code.ts';
import { readPath } from './testing/config.ts';
import { BOOTSTRAP, testMachine } from './testing/test-machine.ts';

interface Boot {
  readonly child: ChildProcess;
  readonly workDir: string;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
}

function boot(workDir: string, environment: Readonly<Record<string, string>>): Boot {
  const child = spawn('bash', [BOOTSTRAP], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: '/tmp', SHOAL_WORK_DIR: workDir, ...environment },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  onTestFinished(() => {
    if (child.exitCode === null && child.pid) signalGroup(child.pid, 'SIGKILL');
  });
  return { child, workDir, exited, output: () => output };
}

/** A machine whose agent is a few lines of JavaScript. */
function bootScript(script: string, environment: Readonly<Record<string, string>> = {}): Boot {
  const folder = temporaryFolder();
  const agent = join(folder, 'agent.mjs');
  writeFileSync(agent, script);
  return boot(join(folder, 'work'), {
    SHOAL_NODE: process.execPath,
    SHOAL_AGENT_URL: pathToFileURL(agent).href,
    SHOAL_AGENT_SHA256: createHash('sha256').update(script).digest('hex'),
    SHOAL_MAX_LIFETIME_SECONDS: '60',
    ...environment,
  });
}

const endedWith = (machine: Boot): string => readFileSync(join(machine.workDir, 'ended'), 'utf8').trim();

describe('bootstrap.sh', () => {
  it('runs the agent it was told to, leaves its exit code and removes the rest', async () => {
    const machine = bootScript('process.exit(3)');

    expect(await machine.exited).toBe(3);
    expect(endedWith(machine)).toBe('3');
    expect(readdirSync(machine.workDir)).toEqual(['ended']);
  });

  it('refuses an agent with another hash', async () => {
    const machine = bootScript('process.exit(0)', { SHOAL_AGENT_SHA256: 'f'.repeat(64) });

    expect(await machine.exited).toBe(1);
    expect(machine.output()).toContain('error: the SHA-256 of the agent is');
    expect(machine.output()).not.toContain('starting the agent');
  });

  it('says which setting is missing, and shuts the machine down all the same', async () => {
    const folder = temporaryFolder();
    const mark = join(folder, 'off');

    const machine = boot(join(folder, 'work'), { SHOAL_SHUTDOWN_COMMAND: `touch ${mark}` });

    expect(await machine.exited).toBe(1);
    expect(machine.output()).toContain('error: SHOAL_AGENT_URL is not set');
    expect(existsSync(mark)).toBe(true);
  });

  it('wants Node 22 or later', async () => {
    const folder = temporaryFolder();
    const old = join(folder, 'node');
    writeFileSync(old, '#!/bin/sh\necho v20.11.0\n', { mode: 0o755 });

    const machine = bootScript('', { SHOAL_NODE: old });

    expect(await machine.exited).toBe(1);
    expect(machine.output()).toContain('is version 20.11.0, Node 22 or later is needed');
  });

  it('ends an agent that is not ready by its deadline, by force if need be', async () => {
    const machine = bootScript("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);", {
      SHOAL_READY_DEADLINE_SECONDS: '0.5',
      SHOAL_GRACE_SECONDS: '0.2',
    });

    // 128 + SIGKILL.
    expect(await machine.exited).toBe(137);
    expect(machine.output()).toContain('the agent was not ready within 0.5 s');
  });

  it('leaves an agent alone that is ready by its deadline', async () => {
    const ready = `import { writeFileSync } from 'node:fs';
writeFileSync(process.env.SHOAL_WORK_DIR + '/ready', '');
setTimeout(() => process.exit(5), 800);`;

    const machine = bootScript(ready, { SHOAL_READY_DEADLINE_SECONDS: '0.3' });

    expect(await machine.exited).toBe(5);
    expect(machine.output()).not.toContain('not ready');
    expect(existsSync(join(machine.workDir, 'ready'))).toBe(true);
  });

  describe('where there is no suitable Node', () => {
    /** As nodejs.org packs it: one folder, in it `bin/node`. */
    function packedNode(): { url: string; sha256: string } {
      const folder = temporaryFolder();
      mkdirSync(join(folder, 'node-v24/bin'), { recursive: true });
      writeFileSync(join(folder, 'node-v24/bin/node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
      const packed = join(folder, 'node.tar.gz');
      execFileSync('tar', ['-czf', packed, '-C', folder, 'node-v24']);
      return {
        url: pathToFileURL(packed).href,
        sha256: createHash('sha256').update(readFileSync(packed)).digest('hex'),
      };
    }
    /** A PATH on which every Node is old. */
    function oldNode(): string {
      const bin = temporaryFolder();
      const script = '#!/bin/sh\necho v20.11.0\n';
      for (const name of ['node', 'node-24', 'node-22', 'nodejs'])
        writeFileSync(join(bin, name), script, { mode: 0o755 });
      return `${bin}:${readPath()}`;
    }

    it('fetches one from the bucket', async () => {
      const { url, sha256 } = packedNode();

      const machine = bootScript('console.log(process.version); process.exit(4)', {
        PATH: oldNode(),
        SHOAL_NODE: '',
        SHOAL_NODE_URL: url,
        SHOAL_NODE_SHA256: sha256,
      });

      expect(await machine.exited).toBe(4);
      expect(machine.output()).toContain(`using ${machine.workDir}/node/bin/node`);
      expect(readdirSync(machine.workDir)).toEqual(['ended']);
    });

    it('unpacks nothing of another hash', async () => {
      const { url } = packedNode();
      const settings = { SHOAL_NODE: '', SHOAL_NODE_URL: url, SHOAL_NODE_SHA256: 'f'.repeat(64) };

      const machine = bootScript('', { PATH: oldNode(), ...settings });

      expect(await machine.exited).toBe(1);
      expect(machine.output()).toContain('error: the SHA-256 of Node is');
      expect(machine.output()).not.toContain('unpacking');
    });

    it('says what is wrong with the one that is there', async () => {
      const machine = bootScript('', { PATH: oldNode(), SHOAL_NODE: '' });

      expect(await machine.exited).toBe(1);
      expect(machine.output()).toContain('is version 20.11.0, Node 22 or later is needed');
    });
  });

  it('fetches the agent from the bucket with the AWS CLI', async () => {
    const bin = temporaryFolder();
    const script = 'process.exit(6)';
    writeFileSync(join(bin, 'aws'), `#!/bin/bash\n[[ "$1 $2" == 's3 cp' ]] && printf '${script}' > "\${@: -1}"\n`, {
      mode: 0o755,
    });

    const machine = bootScript(script, { PATH: `${bin}:${readPath()}`, SHOAL_AGENT_URL: 's3://bucket/agent.mjs' });

    expect(await machine.exited).toBe(6);
  });

  const linter = spawnSync('shellcheck', ['--version']).status === 0;
  it.skipIf(!linter)('passes shellcheck (skipped where that is not installed)', () => {
    expect(spawnSync('shellcheck', [BOOTSTRAP], { encoding: 'utf8' }).stdout).toBe('');
  });

  it('hands a termination signal to the agent and waits for its end', async () => {
    const machine = bootScript(
      "process.on('SIGTERM', () => setTimeout(() => process.exit(7), 200)); console.log('up'); setInterval(() => {}, 1000);",
    );
    await until(() => machine.output().includes('up'), 'the agent is up');

    machine.child.kill('SIGTERM');

    expect(await machine.exited).toBe(7);
    expect(endedWith(machine)).toBe('7');
  });

  it('ends an agent that outlives the lifetime, by force if need be', async () => {
    // Deaf from its first instant, which a script on Node is only once that has started.
    const deaf = join(temporaryFolder(), 'node');
    const script = '#!/bin/sh\ntrap \'\' TERM\n[ "$1" = --version ] && echo v24.0.0 && exit\nexec sleep 60\n';
    writeFileSync(deaf, script, { mode: 0o755 });

    const machine = bootScript('', {
      SHOAL_NODE: deaf,
      SHOAL_MAX_LIFETIME_SECONDS: '0.2',
      SHOAL_LIFETIME_MARGIN_SECONDS: '0.2',
      SHOAL_GRACE_SECONDS: '0.2',
    });

    // 128 + SIGKILL.
    expect(await machine.exited).toBe(137);
    expect(machine.output()).toContain('the lifetime is over');
  });

  it('leaves no timer behind when it is killed itself', async () => {
    const machine = bootScript("console.log('up'); setTimeout(() => {}, 60000);");
    await until(() => machine.output().includes('up'), 'the agent is up');

    machine.child.kill('SIGKILL');

    const left = (): boolean => runningWith(BOOTSTRAP).some((pid) => isInGroup(pid, machine.child.pid ?? 0));
    await until(() => !left(), 'no process of the script is left');
  });

  it("ends the task's processes when the agent is killed with -9", async () => {
    const repository = gitRepository();
    const marker = `sleep-${process.pid}-${Math.floor(performance.now())}`;
    // The command ignores SIGTERM and so does its child.
    const commit = repository.commit({
      'stubborn.sh': `#!/bin/sh\ntrap '' TERM\nsh -c 'trap "" TERM; while :; do sleep 1; done' ${marker} &\nwhile :; do sleep 1; done\n`,
    });
    const folder = temporaryFolder();
    const run = ['./stubborn.sh', marker];
    const code = { repository: repository.url, commit, setup: null, run, ...PLAIN_CODE };
    const tasks = await testMachine(folder, [{ code, timeoutSeconds: 600 }]);
    const machine = boot(join(folder, 'work'), tasks.environment);
    const runs = (): boolean => runningWith(marker).length === 2;
    await until(runs, () => `the task runs with its child: ${machine.output()}`);
    const [agent] = runningWith(join(machine.workDir, 'agent.mjs'));

    process.kill(agent ?? 0, 'SIGKILL');

    expect(await machine.exited).toBe(137);
    await until(() => runningWith(marker).length === 0, 'no process of the task is left');
    expect(endedWith(machine)).toBe('137');
  });

  it('ends what no record names too: a command that went into a session of its own', async () => {
    const repository = gitRepository();
    const marker = `stray-${process.pid}-${Math.floor(performance.now())}`;
    const commit = repository.commit({
      'daemon.sh': `#!/bin/sh\nsetsid sh -c 'while :; do sleep 1; done' ${marker} &\nwhile :; do sleep 1; done\n`,
    });
    const folder = temporaryFolder();
    const code = { repository: repository.url, commit, setup: null, run: ['./daemon.sh', marker], ...PLAIN_CODE };
    const tasks = await testMachine(folder, [{ code, timeoutSeconds: 600 }]);
    const machine = boot(join(folder, 'work'), tasks.environment);
    await until(
      () => runningWith(marker).length === 2,
      () => `the task runs with its daemon: ${machine.output()}`,
    );

    process.kill(runningWith(join(machine.workDir, 'agent.mjs'))[0] ?? 0, 'SIGKILL');
    await machine.exited;

    await until(() => runningWith(marker).length === 0, 'no process of the task is left');
  });

  it('and the agent take a signal to their whole group as one: the task has its grace', async () => {
    const repository = gitRepository();
    const folder = temporaryFolder();
    const mark = join(folder, 'running');
    // It needs a moment to go, which a kill would not give it.
    const commit = repository.commit({
      'task.sh': `trap 'sleep 0.3; echo 42; exit 0' TERM\ntouch ${mark}\nwhile :; do sleep 0.02; done\n`,
    });
    const code = { repository: repository.url, commit, setup: null, run: ['sh', 'task.sh'], ...PLAIN_CODE };
    const tasks = await testMachine(folder, [{ code, timeoutSeconds: 30 }]);
    const machine = boot(join(folder, 'work'), { ...tasks.environment, SHOAL_GRACE_SECONDS: '10' });
    await until(
      () => existsSync(mark),
      () => `the task runs: ${machine.output()}`,
    );

    process.kill(-(machine.child.pid ?? 0), 'SIGTERM');

    expect(await machine.exited).toBe(0);
    expect(tasks.events()).toMatchObject([
      { kind: 'instance', state: 'READY' },
      { kind: 'instance', state: 'DRAINING', reason: 'SIGTERM' },
      { kind: 'completed', result: { json: '42' } },
      { kind: 'instance', state: 'TERMINATED', reason: 'SIGTERM' },
    ]);
  });

  it('spares a process that has the number of a recorded group but another start time', async () => {
    const bystander = spawn('sleep', ['30'], { detached: true, stdio: 'ignore' });
    onTestFinished(() => void bystander.kill('SIGKILL'));
    const pid = bystander.pid ?? 0;
    const script = `import { writeFileSync } from 'node:fs';
writeFileSync(process.env.SHOAL_WORK_DIR + '/groups/${pid}', '12345\\n');`;

    const machine = bootScript(script);

    expect(await machine.exited).toBe(0);
    expect(isRunning(pid)).toBe(true);
  });
});
