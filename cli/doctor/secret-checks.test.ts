import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { runChecks } from './run-checks.ts';
import { secretChecks } from './secret-checks.ts';

async function look(environment: Record<string, string>, fleetsText = 'fleets: {}') {
  const options = { lambda: undefined, stage: 'dev', fleetsText, environment };
  const findings = await runChecks(secretChecks(options), 5_000);
  const [functions, fleets, here] = findings;
  return { functions, fleets, here, text: JSON.stringify(findings) };
}

const keyFile = async (document: object): Promise<string> => {
  const path = join(temporaryFolder(), 'credentials.json');
  await writeFile(path, JSON.stringify(document));
  return path;
};

describe('keys for other clouds', () => {
  it('are nowhere', async () => {
    const { functions, fleets, here } = await look({ PATH: '/usr/bin' });

    expect([functions?.status, fleets?.status, here?.status]).toEqual(['skipped', 'ok', 'ok']);
  });

  it('are found as the file of a service account, by its content', async () => {
    const { here } = await look({ GOOGLE_APPLICATION_CREDENTIALS: await keyFile({ private_key: 'planted' }) });

    expect(here).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
    });
  });

  it('are not taken for the settings of federation, which go by the same variable, or a file that is gone', async () => {
    const path = await keyFile({ type: 'external_account' });

    expect((await look({ GOOGLE_APPLICATION_CREDENTIALS: path })).here?.status).toBe('ok');
    expect((await look({ GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/key.json' })).here?.status).toBe('ok');
  });

  it("are found as an application's secret, which is not told", async () => {
    const { here, text } = await look({ AZURE_CLIENT_SECRET: 'planted-secret' });

    expect(here).toMatchObject({ status: 'failed', mend: expect.stringContaining('delete that key') });
    expect(text).not.toContain('planted-secret');
  });

  it('are found in fleets.yml, and not told', async () => {
    const { fleets, text } = await look({}, 'clouds: { azure: { namespace: "SharedAccessKey=cGxhbnRlZA==" } }');

    expect(fleets?.status).toBe('failed');
    expect(text).not.toContain('cGxhbnRlZA');
  });
});
