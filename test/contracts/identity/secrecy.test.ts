/** Tokens are nobody's to read: whatever goes wrong, and however rude the other side is, no error and no output tells one. */
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { awsFromAzure } from '../../../adapters/identity/aws-from-azure.ts';
import { awsFromGcp } from '../../../adapters/identity/aws-from-gcp.ts';
import { awsWebIdentity } from '../../../adapters/identity/aws-web-identity.ts';
import { azureTokenFromAws } from '../../../adapters/identity/azure-from-aws.ts';
import { azureFunctionAppToken, azureMetadataToken } from '../../../adapters/identity/azure-metadata-token.ts';
import { gcpTokenFromAws } from '../../../adapters/identity/gcp-from-aws.ts';
import { gcpMetadataToken } from '../../../adapters/identity/gcp-metadata-token.ts';
import { exchangeFailure, googleFailure } from '../../clouds/identity/google-servers.ts';
import { stsFailure } from '../../clouds/identity/sts-server.ts';
import { type Reply, recordingServerOfTest } from '../../clouds/recording-server.ts';
import { systemClock } from '../../factories/manual-clock.ts';

/** In all that is sent, answered and configured here. */
const PLANTED = 'planted-4f1c9';
const clock = systemClock;
const webIdentity = async () => `header.${PLANTED}.signature`;
const role = { roleArn: 'arn:aws:iam::123456789012:role/shoal-bridge-gcp-dev', region: 'eu-west-1', clock };
const gcp = { workloadIdentityProvider: 'projects/1/x', controlServiceAccount: 'shoal@acme.iam.gserviceaccount.com' };
const azure = {
  tenantId: 'aaaaaaaa-0000-0000-0000-000000000001',
  controlClientId: 'aaaaaaaa-0000-0000-0000-000000000002',
};
const federated: Reply = { body: { access_token: PLANTED, expires_in: 3_600 } };

/** Each direction, asking a server at this address. */
const directions: readonly [string, (url: string) => Promise<unknown>, before?: readonly Reply[]][] = [
  ['a machine on GCP', (url) => gcpMetadataToken({ clock, url })()],
  ['a machine on Azure', (url) => azureMetadataToken({ clock, url, resource: 'https://storage.azure.com' })()],
  [
    'a function app on Azure',
    (url) => azureFunctionAppToken({ clock, endpoint: `${url}/msi`, header: PLANTED, resource: 'api://shoal-dev' })(),
  ],
  [
    'AWS, of itself',
    (endpoint) => {
      const credentials = { accessKeyId: 'ASIA', secretAccessKey: PLANTED, sessionToken: PLANTED };
      return awsWebIdentity({ endpoint, region: 'eu-west-1', credentials, maxAttempts: 1 })(
        'api://AzureADTokenExchange',
      );
    },
  ],
  [
    'AWS to GCP, at the exchange',
    (url) => gcpTokenFromAws({ ...gcp, endpoints: { sts: url, iamCredentials: url } }, { clock, webIdentity })(),
  ],
  [
    'AWS to GCP, at the service account',
    (url) => gcpTokenFromAws({ ...gcp, endpoints: { sts: url, iamCredentials: url } }, { clock, webIdentity })(),
    [federated],
  ],
  [
    'AWS to Azure',
    (login) =>
      azureTokenFromAws(
        { ...azure, endpoints: { login } },
        { clock, webIdentity, resource: 'https://storage.azure.com' },
      )(),
  ],
  [
    'GCP to AWS, at STS',
    (url) => awsFromGcp({ ...role, stsEndpoint: url, metadataUrl: url, audience: 'shoal-bridge-dev' })(),
    [{ body: `header.${PLANTED}.signature` }],
  ],
  ['Azure to AWS, at STS', (url) => awsFromAzure({ ...role, stsEndpoint: url, token: webIdentity })()],
];

const TEXT = `you sent ${PLANTED} as header.${PLANTED}.signature`;
const rudeAnswers: readonly [string, Reply][] = [
  ['400 in the words of OAuth', exchangeFailure('invalid_grant', TEXT)],
  ['400 with a token for the name of the error', exchangeFailure(PLANTED, TEXT)],
  ['403 in the words of Google', googleFailure(403, PLANTED, TEXT)],
  ['403 in the words of AWS', stsFailure('AccessDenied', 403, TEXT)],
  ['400 with plain text', { status: 400, body: TEXT }],
  ['500 with plain text', { status: 500, body: TEXT }],
  ['200 that is cut off', { body: `{"access_token":"${PLANTED}"` }],
];

const everyCase = directions.flatMap(([direction, ask, before = []]) =>
  rudeAnswers.map(([answer, reply]) => ({ direction, ask, before, answer, reply })),
);

describe('a token is in no error and no output', () => {
  it.each(everyCase)('$direction, answered $answer', async ({ ask, before, reply }) => {
    const written: string[] = [];
    const keep = (piece: unknown): boolean => written.push(String(piece)) > 0;
    const spies = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
    for (const spy of spies) spy.mockImplementation(keep);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const server = await recordingServerOfTest(() => reply);
    server.failures.push(...before);

    const error = await ask(server.url).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );

    expect(error).toBeInstanceOf(Error);
    expect(server.requests.length).toBeGreaterThan(0);
    expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(PLANTED);
    expect(written.join('')).not.toContain(PLANTED);
  });
});
