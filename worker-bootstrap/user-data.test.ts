// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';
import { until } from '../adapters/local/testing/until.ts';
import { statusMessageSchema } from '../core/messages.ts';
import { readPath } from './testing/config.ts';
import { BOOTSTRAP } from './testing/test-machine.ts';
import { MAX_USER_DATA_BYTES, renderUserData } from './user-data.ts';

const ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  SHOAL_FLEET: 'default',
  SHOAL_INSTANCE_ID: 'i-1',
  SHOAL_MAX_LIFETIME_SECONDS: '86400',
  SHOAL_STATUS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/123456789012/shoal-status-dev',
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Programs that write down how they were called, first on the PATH. */
function fakePrograms(folder: string, programs: Readonly<Record<string, string>>): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return `${bin}:${readPath()}`;
}

interface Machine {
  readonly exitCode: number | null;
  readonly log: string;
  readonly shutdowns: string[];
  /** Message bodies that were sent to the status queue. */
  readonly reports: string[];
}

/** A machine's first boot with this bootstrap.sh; `shutdown` and `aws` are fakes. */
async function boot(
  bootstrap: string,
  environment: Readonly<Record<string, string>> = {},
  options: { sha256?: string; url?: string; aws?: string; signal?: NodeJS.Signals } = {},
): Promise<Machine> {
  const folder = temporaryFolder();
  // Another user must find the way to its work folder.
  chmodSync(folder, 0o711);
  const file = join(folder, 'bootstrap.sh');
  writeFileSync(file, bootstrap);
  const PATH = fakePrograms(folder, {
    shutdown: `printf '%s\\n' "$*" >> '${folder}/shutdowns'`,
    aws: options.aws ?? `[[ $1 == sqs ]] && printf '%s\\0' "\${@: -1}" >> '${folder}/reports'`,
  });
  const script = renderUserData({
    url: options.url ?? pathToFileURL(file).href,
    sha256: options.sha256 ?? sha256(bootstrap),
    environment: {
      ...ENVIRONMENT,
      SHOAL_WORK_DIR: join(folder, 'work'),
      SHOAL_LOG: join(folder, 'log'),
      SHOAL_TASK_USER: userInfo().username,
      ...environment,
    },
  });
  const child = spawn('bash', ['-c', script], { env: { PATH, HOME: folder }, stdio: 'ignore' });
  if (options.signal) {
    const { signal } = options;
    void until(() => existsSync(join(folder, 'work/up')), 'bootstrap.sh runs').then(() => child.kill(signal));
  }
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const read = (name: string): string =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '';
  return {
    exitCode,
    log: read('log'),
    shutdowns: read('shutdowns').split('\n').filter(Boolean),
    reports: read('reports').split('\0').filter(Boolean),
  };
}

const reasonIn = (report: string | undefined): string => {
  const { events } = statusMessageSchema.parse(JSON.parse(report ?? ''));
  expect(events).toMatchObject([{ kind: 'instance', instanceId: 'i-1', fleet: 'default', state: 'FAILED' }]);
  return events[0]?.kind === 'instance' ? (events[0].reason ?? '') : '';
};

describe('user data', () => {
  it('fits 4 KB with everything a machine needs to know', () => {
    const hex = 'a'.repeat(64);
    const bucket = 's3://shoal-data-production-123456789012-ap-southeast-2/artifacts';
    const environment = {
      ...ENVIRONMENT,
      SHOAL_STAGE: 'production',
      SHOAL_SLOTS: '1',
      SHOAL_IDLE_SECONDS: '60',
      SHOAL_QUEUE_URL_PREFIX: 'https://sqs.ap-southeast-2.amazonaws.com/123456789012/',
      SHOAL_BUCKET: 'shoal-data-production-123456789012-ap-southeast-2',
      SHOAL_AGENT_URL: `${bucket}/${hex}/agent.mjs`,
      SHOAL_AGENT_SHA256: hex,
      SHOAL_READY_DEADLINE_SECONDS: '300',
    };

    const script = renderUserData({ url: `${bucket}/${hex}/bootstrap.sh`, sha256: hex, environment });

    expect(Buffer.byteLength(script)).toBeLessThan(MAX_USER_DATA_BYTES);
  });

  it.each([
    ['a name that is none', { 'A B': '' }],
    ['a name that ends the line', { 'A=1; reboot; B': '' }],
    ['NUL', { A: 'a\0b' }],
    ['too much', { A: 'x'.repeat(4_000) }],
  ])('refuses %s', (_what, environment) => {
    expect(() => renderUserData({ url: 'https://example.com', sha256: '', environment })).toThrow();
  });

  it('hands every value to the shell as it is, whatever it holds', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => !text.includes('\0')),
      fc.constantFrom(
        "'",
        "'\\''",
        '$(reboot)',
        '`reboot`',
        '"; reboot; "',
        '\n#!/bin/sh\n',
        '\\',
        '${HOME}',
        '!!',
        '-n',
      ),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
        const environment = Object.fromEntries(values.map((each, index) => [`VALUE_${index}`, each]));
        const script = renderUserData({ url: 'https://example.com', sha256: '', environment });
        // Up to the line that holds the stub: only the assignments are run.
        const assignments = script.slice(0, script.indexOf('\n# Shoal: see'));
        const names = values.map((_, index) => `"$VALUE_${index}"`).join(' ');
        const run = spawnSync('bash', ['-c', `${assignments}\nprintf '%s\\0' ${names}`], { env: {} });
        expect(run.stdout.toString().split('\0').slice(0, -1)).toEqual(values);
      }),
      { numRuns: 40 },
    );
  });

  const linter = spawnSync('shellcheck', ['--version']).status === 0;
  it.skipIf(!linter)('passes shellcheck (skipped where that is not installed)', () => {
    const input = renderUserData({ url: 'https://example.com', sha256: '', environment: ENVIRONMENT });

    const { stdout } = spawnSync('shellcheck', ['--shell=bash', '-'], { input, encoding: 'utf8' });

    expect(stdout).toBe('');
  });
});

describe('a machine', () => {
  it('runs bootstrap.sh with its environment and shuts down when that ends, with nothing to report', async () => {
    const machine = await boot(
      'echo "fleet $SHOAL_FLEET as $(id -un), off ${SHOAL_SHUTDOWN_COMMAND:-}"; touch "$SHOAL_WORK_DIR/ready"',
    );

    expect(machine.log).toContain(`fleet default as ${userInfo().username}, off \n`);
    expect(machine.shutdowns).toEqual(['-h +1445', '-h now']);
    expect(machine.reports).toEqual([]);
    expect(machine.exitCode).toBe(0);
  });

  it('names a user for commands to bootstrap.sh, and keeps its log from all others', async () => {
    const machine = await boot(
      'echo "$SHOAL_TASK_USER, log $(stat -c %a "$SHOAL_LOG")"; touch "$SHOAL_WORK_DIR/ready"',
    );

    expect(machine.log).toContain(`${userInfo().username}, log 600\n`);
    expect([machine.exitCode, machine.reports]).toEqual([0, []]);
  });

  it('runs the real bootstrap.sh, whose failing step is reported', async () => {
    const machine = await boot(readFileSync(BOOTSTRAP, 'utf8'), {
      SHOAL_NODE: process.execPath,
      SHOAL_AGENT_URL: 'file:///dev/null',
      SHOAL_AGENT_SHA256: 'f'.repeat(64),
    });

    expect(reasonIn(machine.reports[0])).toMatch(/^bootstrap.sh ended with 1: .*error: the SHA-256 of the agent is/s);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('whose bootstrap.sh fails before it is ready reports that with the end of the log, and shuts down', async () => {
    const machine = await boot(
      'for n in {1..400}; do echo "line $n"; done; echo "no \\"node\\" here: ü\\t\\\\"; exit 7',
    );

    const reason = reasonIn(machine.reports[0]);

    expect(reason).toMatch(/^bootstrap.sh ended with 7: /);
    expect(reason).toContain('no "node" here');
    expect(reason.length).toBeLessThan(2_000);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('that was ready has said itself how it ended', async () => {
    const machine = await boot('touch "$SHOAL_WORK_DIR/ready"; exit 1');

    expect(machine.reports).toEqual([]);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('runs no bootstrap.sh of another hash', async () => {
    const machine = await boot('echo I ran', {}, { sha256: 'f'.repeat(64) });

    expect(machine.log).not.toContain('I ran');
    expect(reasonIn(machine.reports[0])).toMatch(/^bootstrap.sh is not the one of that hash/);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('fetches from the bucket with its own role', async () => {
    const machine = await boot(
      '',
      {},
      {
        url: 's3://bucket/artifacts/1/bootstrap.sh',
        sha256: sha256('touch "$SHOAL_WORK_DIR/ready"; echo fetched'),
        aws: `[[ "$*" == 's3 cp --only-show-errors s3://bucket/artifacts/1/bootstrap.sh '* ]] && printf 'touch "$SHOAL_WORK_DIR/ready"; echo fetched' > "\${@: -1}"`,
      },
    );

    expect(machine.log).toContain('fetched');
    expect(machine.exitCode).toBe(0);
  });

  it('that cannot report prints the report, for the console', async () => {
    const machine = await boot('exit 3', {}, { aws: 'exit 1' });

    expect(machine.log).toMatch(/not reported: \{"v":1,.*bootstrap.sh ended with 3/);
  });

  it('that is told to end while it boots says so and shuts down', async () => {
    const machine = await boot(
      'trap "echo it was told too; exit" TERM; touch "$SHOAL_WORK_DIR/up"; while :; do sleep 0.1; done',
      {},
      { signal: 'SIGTERM' },
    );

    expect(machine.shutdowns.at(-1)).toBe('-h now');
    expect(machine.log).toContain('it was told too');
    expect(reasonIn(machine.reports[0])).toMatch(/^the machine was ended/);
  });
});
