import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSsmClient } from '../../adapters/aws/clients.ts';
import { SsmSecretSource } from '../../adapters/aws/secret-source.ts';
import { FileSecretSource } from '../../adapters/local/file-secret-source.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { InMemorySecretSource } from '../fakes/in-memory-secret-source.ts';
import { ParameterStoreStub } from './parameter-store-stub.ts';
import { describeSecretSourceContract } from './secret-source.ts';

describeSecretSourceContract('in memory', async () => {
  const secrets = new InMemorySecretSource();
  return { secrets, put: async (name, value) => secrets.put(name, value) };
});

const store = new ParameterStoreStub();
let endpoint: string;
beforeAll(async () => {
  endpoint = await store.start();
});
afterEach(() => {
  store.failure = undefined;
  store.parameters.clear();
});
afterAll(() => store.stop());

const parameterStore = () => {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = createSsmClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
  return new SsmSecretSource({ client, stage: 'test' });
};

describeSecretSourceContract('SSM Parameter Store', async () => ({
  secrets: parameterStore(),
  put: async (name, value) => void store.parameters.set(`/shoal/test/credentials/${name}`, value),
}));

describe('SSM Parameter Store', () => {
  it('asks for one decrypted parameter below its own prefix', async () => {
    await parameterStore().find('github/acme');

    expect(store.requests.at(-1)).toEqual({ Name: '/shoal/test/credentials/github/acme', WithDecryption: true });
  });

  it.each([
    [400, 'ThrottlingException'],
    [500, 'InternalServerError'],
  ])('takes a %i %s for something that passes', async (status, type) => {
    store.failure = { status, type };

    await expect(parameterStore().find('acme')).rejects.toThrow(TransientError);
  });

  it('takes a store that is down for something that passes', async () => {
    const other = new ParameterStoreStub();
    const url = await other.start();
    await other.stop();
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = createSsmClient({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 });

    await expect(new SsmSecretSource({ client, stage: 'test' }).find('acme')).rejects.toThrow(TransientError);
  });

  it('takes a missing permission for something that does not', async () => {
    store.failure = { status: 400, type: 'AccessDeniedException' };

    await expect(parameterStore().find('acme')).rejects.toThrow(PermanentError);
  });
});

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function files() {
  const root = await mkdtemp(join(tmpdir(), 'shoal-credentials-'));
  folders.push(root);
  const folder = join(root, 'credentials');
  await mkdir(folder);
  const put = async (name: string, value: string): Promise<void> => {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), value, { mode: 0o600 });
  };
  return { root, folder, put, secrets: new FileSecretSource(folder) };
}

describeSecretSourceContract('files', files);

describe('files', () => {
  it.each([0o644, 0o640, 0o604, 0o660])('that others may read (%o) are refused, saying what to do', async (mode) => {
    const { folder, put, secrets } = await files();
    await put('acme', 'value');
    await chmod(join(folder, 'acme'), mode);

    await expect(secrets.find('acme')).rejects.toThrow(/chmod 600 .*acme/);
  });

  it('are not followed out of their folder', async () => {
    const { root, folder, put, secrets } = await files();
    await put('acme', 'value');
    await writeFile(join(root, 'outside'), 'secret', { mode: 0o600 });
    await symlink(join(root, 'outside'), join(folder, 'link'));
    await symlink(root, join(folder, 'up'));

    expect(await secrets.find('link')).toBeUndefined();
    expect(await secrets.find('up/outside')).toBeUndefined();
  });

  it('need no folder as long as there are none', async () => {
    expect(await new FileSecretSource('/no/such/folder').find('acme')).toBeUndefined();
  });
});
