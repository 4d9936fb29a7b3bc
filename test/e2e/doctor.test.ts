/** `npm run doctor` as people run it. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { awsAccount } from '../clouds/doctor/aws-account.ts';
import { azureSubscription } from '../clouds/doctor/azure-subscription.ts';
import { googleProject } from '../clouds/doctor/google-project.ts';

let aws: Awaited<ReturnType<typeof awsAccount>>;
let google: Awaited<ReturnType<typeof googleProject>>;
let azure: Awaited<ReturnType<typeof azureSubscription>>;

beforeEach(async () => {
  [aws, google, azure] = await Promise.all([awsAccount(), googleProject(), azureSubscription()]);
});

afterEach(() => Promise.all([aws.stop(), google.stop(), azure.stop()]));

const CLI = resolve(import.meta.dirname, '../../cli/doctor.ts');

async function doctor(...parameters: string[]) {
  const fleetsFile = join(temporaryFolder(), 'fleets.yml');
  const fleets = { near: { provider: 'aws' }, far: { provider: 'gcp' }, further: { provider: 'azure' } };
  await writeFile(fleetsFile, stringify({ fleets, clouds: { gcp: google.cloud, azure: azure.cloud } }));
  const env = {
    PATH: process.env['PATH'],
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: 'ASIAOPERATOR',
    AWS_SECRET_ACCESS_KEY: 'planted-secret',
    AWS_SESSION_TOKEN: 'planted-session',
  };
  const command = [CLI, '--fleets', fleetsFile, '--region', 'us-east-1', ...parameters];
  return new Promise<{ code: unknown; out: string; err: string }>((done) => {
    execFile(process.execPath, command, { env, timeout: 60_000 }, (error, out, err) =>
      done({ code: error ? error.code : 0, out, err }),
    );
  });
}

describe('npm run doctor', () => {
  it('says that all is well, and exits with 0', async () => {
    const { code, out } = await doctor();

    expect(out).toContain('✓ AWS → GCP');
    expect(out).toContain('✓ Azure → AWS');
    expect(out).toMatch(/24 in order, 0 to note, 0 to mend, 0 not looked at\n$/);
    expect(code).toBe(0);
    expect(out).not.toMatch(/planted|ya29|signature|ASIAOPERATOR/);
  });

  it('says what to mend, and exits with 1', async () => {
    aws.account.isFederating = false;
    google.project.missing.add('topics/shoal-status-dev');

    const { code, out } = await doctor();

    expect(out).toMatch(/✗ outbound federation .*\n +→ aws iam enable-outbound-web-identity-federation\n/);
    expect(out).toMatch(/– GCP: queues +needs a token/);
    expect(code).toBe(1);
  });

  it('tells programs the same in JSON', async () => {
    aws.account.missing.add('shoal-tasks-dev');

    const { code, out } = await doctor('--json');

    const { ok, findings } = JSON.parse(out);
    expect(ok).toBe(false);
    expect(findings).toContainEqual({
      what: 'tables',
      status: 'failed',
      message: '1 of 4 are missing: shoal-tasks-dev',
      mend: 'npx sls deploy --stage dev --region us-east-1',
    });
    expect(code).toBe(1);
  });

  it('helps whoever gives it a wrong option', async () => {
    expect(await doctor('--frobnicate')).toMatchObject({ code: 2, err: expect.stringContaining('npm run doctor') });
  });
});
