/** The bridges of GCP and Azure, as roles of AWS. */
import { createHash } from 'node:crypto';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { createSqsClient } from '../../../adapters/aws/clients.ts';
import { awsFromAzure } from '../../../adapters/identity/aws-from-azure.ts';
import { awsFromGcp } from '../../../adapters/identity/aws-from-gcp.ts';
import { azureFunctionAppToken } from '../../../adapters/identity/azure-metadata-token.ts';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import { azureFunctionAppIdentity } from '../../clouds/identity/azure-servers.ts';
import { googleMetadata } from '../../clouds/identity/google-servers.ts';
import { stsAnswers, stsFailure } from '../../clouds/identity/sts-server.ts';
import { recordingServerOfTest } from '../../clouds/recording-server.ts';
import { ManualClock } from '../../factories/manual-clock.ts';

const ROLE = 'arn:aws:iam::123456789012:role/shoal-bridge-gcp-dev';

async function prepare() {
  // The SDK looks at the real time too: credentials of the test are of today.
  const clock = new ManualClock(new Date());
  const sts = await recordingServerOfTest(stsAnswers(clock));
  return { clock, sts, role: { roleArn: ROLE, region: 'eu-west-1', clock, stsEndpoint: sts.url } };
}

async function fromGcp() {
  const { clock, sts, role } = await prepare();
  const metadata = await recordingServerOfTest(googleMetadata());
  const credentials = awsFromGcp({ ...role, audience: 'shoal-bridge-dev', metadataUrl: metadata.url });
  return { clock, sts, metadata, credentials };
}

async function fromAzure() {
  const { clock, sts, role } = await prepare();
  const app = await recordingServerOfTest(azureFunctionAppIdentity(clock, 'secret'));
  const token = azureFunctionAppToken({ endpoint: app.url, header: 'secret', resource: 'api://shoal-dev', clock });
  return { clock, sts, app, credentials: awsFromAzure({ ...role, token }) };
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

describe('the bridge on GCP', () => {
  it('shows STS whom Google says it is, for the audience that the role expects', async () => {
    const { sts, metadata, credentials } = await fromGcp();

    expect(await credentials()).toMatchObject({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: 'secret-of-the-role',
      sessionToken: 'session-of-the-role',
    });
    expect(metadata.requests).toMatchObject([
      {
        method: 'GET',
        path: '/computeMetadata/v1/instance/service-accounts/default/identity',
        query: { audience: 'shoal-bridge-dev' },
        headers: { 'metadata-flavor': 'Google' },
      },
    ]);
    expect(sts.requests).toMatchObject([
      {
        method: 'POST',
        form: {
          Action: 'AssumeRoleWithWebIdentity',
          RoleArn: ROLE,
          RoleSessionName: 'shoal-bridge',
          WebIdentityToken: 'google.shoal-bridge-dev.signature',
        },
      },
    ]);
    expect(sts.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('keeps the credentials for all its clients, and has new ones when those would ask for them', async () => {
    const { clock, sts, credentials } = await fromGcp();
    await Promise.all([credentials(), credentials()]);
    clock.advance(3_200);
    await credentials();
    expect(sts.requests).toHaveLength(1);

    clock.advance(50); // 350 s are left: the SDK asks from 300 s on
    await credentials();

    expect(sts.requests).toHaveLength(2);
  });

  it('sends with them: a client takes them as they are', async () => {
    const { credentials } = await fromGcp();
    const queue = await recordingServerOfTest(() => ({ body: { MessageId: 'm-1', MD5OfMessageBody: md5('report') } }));
    const client = createSqsClient({ endpoint: queue.url, region: 'eu-west-1', credentials });

    await client.send(new SendMessageCommand({ QueueUrl: `${queue.url}/1/status`, MessageBody: 'report' }));

    expect(queue.requests[0]?.headers).toMatchObject({
      authorization: expect.stringContaining('Credential=ASIAEXAMPLE/'),
      'x-amz-security-token': 'session-of-the-role',
    });
  });

  it.each([
    ['AccessDenied', 403, "the role's trust policy must name this program's subject and audience"],
    ['InvalidIdentityToken', 400, "the audience must be one of the provider's"],
    ['IDPRejectedClaim', 403, 'its own cloud does not stand by its token'],
    ['ValidationError', 400, `AWS does not let this program be ${ROLE}`],
  ])('is refused with %s, and it is said what to set right', async (code, status, advice) => {
    const { sts, credentials } = await fromGcp();
    sts.failures.push(stsFailure(code, status));

    const error = await credentials().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(advice);
    expect(sts.requests).toHaveLength(1);
  });

  it('is let in after a moment of trouble', async () => {
    const { sts, credentials } = await fromGcp();
    sts.failures.push(stsFailure('IDPCommunicationError', 400), stsFailure('InternalFailure', 500));

    expect(await credentials()).toMatchObject({ accessKeyId: 'ASIAEXAMPLE' });
  });

  it('may ask again after longer trouble, or a token that was too old', async () => {
    const { sts, credentials } = await fromGcp();
    sts.failures.push(stsFailure('ExpiredTokenException', 400));

    await expect(credentials()).rejects.toThrow(TransientError);
    expect(await credentials()).toMatchObject({ accessKeyId: 'ASIAEXAMPLE' });
  });
});

describe('the bridge on Azure', () => {
  it('shows STS whom Entra says it is, for the application that stands for the deployment', async () => {
    const { sts, app, credentials } = await fromAzure();

    expect(await credentials()).toMatchObject({ accessKeyId: 'ASIAEXAMPLE' });
    expect(app.requests).toMatchObject([{ query: { resource: 'api://shoal-dev' } }]);
    expect(sts.requests).toMatchObject([{ form: { RoleArn: ROLE, WebIdentityToken: 'azure.app.signature' } }]);
  });

  it('keeps its own token for longer than the credentials', async () => {
    const { clock, sts, app, credentials } = await fromAzure();
    await credentials();
    clock.advance(3_500);
    await credentials();

    expect(sts.requests).toHaveLength(2);
    expect(app.requests).toHaveLength(1);
  });
});
