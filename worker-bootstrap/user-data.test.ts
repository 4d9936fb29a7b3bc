// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AWS } from './platforms/aws.ts';
import { GCP } from './platforms/gcp.ts';
import { boot, ENVIRONMENT, reasonIn, sha256 } from './testing/first-boot.ts';
import { BOOTSTRAP } from './testing/test-machine.ts';
import { renderUserData } from './user-data.ts';

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

    expect(Buffer.byteLength(script)).toBeLessThan(AWS.maxBytes);
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
  it.skipIf(!linter).each([
    ['EC2', AWS],
    ['Compute Engine', GCP],
  ])('passes shellcheck for %s (skipped where that is not installed)', (_name, platform) => {
    const input = renderUserData({ url: 'https://example.com', sha256: '', environment: ENVIRONMENT, platform });

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
