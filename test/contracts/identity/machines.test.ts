/** Who machines and functions on GCP and Azure are. */
import { describe, expect, it } from 'vitest';
import {
  AZURE_RESOURCES,
  azureFunctionAppToken,
  azureMetadataToken,
} from '../../../adapters/identity/azure-metadata-token.ts';
import { gcpMetadataToken } from '../../../adapters/identity/gcp-metadata-token.ts';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import { azureFunctionAppIdentity, azureMachineIdentity } from '../../clouds/identity/azure-servers.ts';
import { googleMetadata } from '../../clouds/identity/google-servers.ts';
import { recordingServerOfTest } from '../../clouds/recording-server.ts';
import { ManualClock } from '../../factories/manual-clock.ts';

const onGcp = async (lifeSeconds = 3_600) => {
  const clock = new ManualClock();
  const server = await recordingServerOfTest(googleMetadata({ lifeSeconds }));
  return { clock, server, token: gcpMetadataToken({ clock, url: server.url }) };
};

const CLIENT_ID = '11111111-2222-3333-4444-555555555555';
const onAzure = async ({
  clientId = CLIENT_ID,
  lifeSeconds = 86_400,
}: {
  clientId?: string;
  lifeSeconds?: number;
} = {}) => {
  const clock = new ManualClock();
  const server = await recordingServerOfTest(azureMachineIdentity(clock, { lifeSeconds }));
  const resource = AZURE_RESOURCES.serviceBus;
  return { clock, server, token: azureMetadataToken({ resource, clientId, clock, url: server.url }) };
};

describe('a machine on GCP', () => {
  it('asks for the token of its service account, with the header that no browser can be made to send', async () => {
    const { server, token } = await onGcp();

    expect(await token()).toBe('ya29.machine-1');
    expect(server.requests).toMatchObject([
      {
        method: 'GET',
        path: '/computeMetadata/v1/instance/service-accounts/default/token',
        query: {},
        headers: { 'metadata-flavor': 'Google' },
        body: '',
      },
    ]);
  });

  it('keeps it, and asks again before it expires', async () => {
    const { clock, server, token } = await onGcp();
    await token();
    clock.advance(3_300);
    expect(await token()).toBe('ya29.machine-1');

    clock.advance(100);

    expect(await token()).toBe('ya29.machine-2');
    expect(server.requests).toHaveLength(2);
  });

  it('goes on with a token that is still good while the server fails', async () => {
    const { clock, server, token } = await onGcp();
    await token();
    clock.advance(3_400);
    server.failures.push({ status: 503 });

    expect(await token()).toBe('ya29.machine-1');
    clock.advance(11);
    expect(await token()).toBe('ya29.machine-2');
  });

  it('says that it has no service account', async () => {
    const { server, token } = await onGcp();
    server.failures.push({ status: 404, body: 'The requested URL was not found on this server.' });

    await expect(token()).rejects.toThrow(new PermanentError('this machine has no service account: make it with one'));
  });

  it.each([
    ['an error', { status: 500 }],
    ['half an answer', { body: '{"access_token":"ya29.machine-1"' }],
    ['an answer without a token', { body: { expires_in: 3_600 } }],
  ])('may ask again after %s', async (_, failure) => {
    const { server, token } = await onGcp();
    server.failures.push(failure);

    await expect(token()).rejects.toThrow(TransientError);
    expect(await token()).toBe('ya29.machine-1');
  });
});

describe('a machine on Azure', () => {
  it('asks for a token of one identity for one service', async () => {
    const { server, token } = await onAzure();

    expect(await token()).toBe('azure.machine-1.signature');
    expect(server.requests).toMatchObject([
      {
        method: 'GET',
        path: '/metadata/identity/oauth2/token',
        query: { 'api-version': '2018-02-01', resource: 'https://servicebus.azure.net', client_id: CLIENT_ID },
        headers: { metadata: 'true' },
      },
    ]);
  });

  it('keeps it until shortly before its end', async () => {
    const { clock, token } = await onAzure();
    await token();
    clock.advance(86_400 - 300);
    expect(await token()).toBe('azure.machine-1.signature');

    clock.advance(100);

    expect(await token()).toBe('azure.machine-2.signature');
  });

  it('says which identity is missing', async () => {
    const { server, token } = await onAzure();
    const body = { error: 'invalid_request', error_description: 'Identity not found' };
    server.failures.push({ status: 400, body });

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(`for https://servicebus.azure.net: assign the managed identity ${CLIENT_ID}`);
  });

  it.each([404, 410, 429, 500])('may ask again after %d', async (status) => {
    const { server, token } = await onAzure();
    server.failures.push({ status, body: {} });

    await expect(token()).rejects.toThrow(TransientError);
    expect(await token()).toBe('azure.machine-1.signature');
  });
});

describe('a function app on Azure', () => {
  it('asks its own address, with the secret that it was started with', async () => {
    const clock = new ManualClock();
    const server = await recordingServerOfTest(azureFunctionAppIdentity(clock, 'changes-daily'));
    const endpoint = `${server.url}/msi/token`;
    const token = azureFunctionAppToken({ endpoint, header: 'changes-daily', resource: 'api://shoal-dev', clock });

    expect(await token()).toBe('azure.app.signature');
    expect(server.requests).toMatchObject([
      { method: 'GET', path: '/msi/token', query: { 'api-version': '2019-08-01', resource: 'api://shoal-dev' } },
    ]);
  });
});
