import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { ok } from './finding.ts';
import { table } from './print.ts';
import { runChecks } from './run-checks.ts';

const never = (): Promise<never> => new Promise(() => {});

describe('checks', () => {
  it('are told in their order, with one that hangs and one that breaks as findings of their own', async () => {
    const findings = await runChecks(
      [
        { what: 'slow', run: never },
        {
          what: 'broken',
          run: async () => {
            throw new TransientError('nobody answers');
          },
        },
        { what: 'fine', run: async () => [ok('one', 'is there'), ok('two', 'is there')] },
      ],
      30,
    );

    expect(findings).toEqual([
      { what: 'slow', status: 'failed', message: 'no answer within 0.03 s' },
      { what: 'broken', status: 'failed', message: 'nobody answers' },
      { what: 'one', status: 'ok', message: 'is there' },
      { what: 'two', status: 'ok', message: 'is there' },
    ]);
  });

  it('run side by side', async () => {
    const both = Promise.withResolvers<void>();
    let started = 0;
    const run = async () => {
      started += 1;
      if (started === 2) both.resolve();
      await both.promise;
      return ok('together', 'yes');
    };

    const findings = await runChecks(
      [
        { what: 'a', run },
        { what: 'b', run },
      ],
      5_000,
    );

    expect(findings.map(({ status }) => status)).toEqual(['ok', 'ok']);
  });
});

describe('the table', () => {
  it('has a sign and a line for each, and the command under what is wrong', () => {
    const text = table([
      { what: 'queues', status: 'ok', message: 'all 7 are there' },
      { what: 'bucket', status: 'failed', message: 'is missing', mend: 'npx sls deploy' },
      { what: 'quota', status: 'warned', message: '5 of 10', mend: 'ask for more' },
      { what: 'GCP', status: 'skipped', message: 'not declared' },
    ]);

    expect(text.split('\n')).toEqual([
      '✓ queues  all 7 are there',
      '✗ bucket  is missing',
      '          → npx sls deploy',
      '! quota   5 of 10',
      '          → ask for more',
      '– GCP     not declared',
      '',
      '1 in order, 1 to note, 1 to mend, 1 not looked at',
    ]);
  });

  it('has the command once for faults that it mends together', () => {
    const fault = { what: 'fleets.yml', status: 'failed', mend: 'correct it' } as const;
    const text = table([
      { ...fault, message: 'one' },
      { ...fault, message: 'two' },
    ]);

    expect(text).toMatch(/one\n✗ fleets.yml {2}two\n +→ correct it\n/);
  });
});

describe('a look that AWS refuses', () => {
  it('names the permission that it takes', async () => {
    const refused = (operation: string, code: string) => ({
      what: operation,
      run: async () => {
        throw new PermanentError('refused', { context: { service: 'S3', operation, code } });
      },
    });

    const findings = await runChecks(
      [refused('GetObject', 'AccessDenied'), refused('HeadBucket', '403'), refused('GetObject', 'InvalidArn')],
      5_000,
    );

    expect(findings.map(({ mend }) => mend)).toEqual([
      'allow your role s3:GetObject',
      'allow your role s3:ListBucket',
      undefined,
    ]);
  });
});
