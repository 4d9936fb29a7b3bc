/** The control plane, a role of AWS, as somebody of GCP and of Azure. */
import { IdentityPoolClient } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { awsWebIdentity } from '../../../adapters/identity/aws-web-identity.ts';
import { azureTokenFromAws } from '../../../adapters/identity/azure-from-aws.ts';
import { AZURE_RESOURCES } from '../../../adapters/identity/azure-metadata-token.ts';
import { gcpTokenFromAws } from '../../../adapters/identity/gcp-from-aws.ts';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import { entra, entraFailure } from '../../clouds/identity/azure-servers.ts';
import { exchangeFailure, googleExchange, googleFailure } from '../../clouds/identity/google-servers.ts';
import { stsAnswers, stsFailure } from '../../clouds/identity/sts-server.ts';
import { recordingServerOfTest } from '../../clouds/recording-server.ts';
import { ManualClock, systemClock } from '../../factories/manual-clock.ts';

const PROVIDER = 'projects/42/locations/global/workloadIdentityPools/shoal/providers/aws';
const CONTROL = 'shoal-control@acme.iam.gserviceaccount.com';
const TENANT = 'aaaaaaaa-0000-0000-0000-000000000001';
const CLIENT = 'aaaaaaaa-0000-0000-0000-000000000002';

/** Its own clock signs requests: the SDK's. Whatever expires does so by the clock of the test. */
async function onAws(clock: ManualClock) {
  const sts = await recordingServerOfTest(stsAnswers(systemClock));
  const credentials = { accessKeyId: 'ASIACONTROL', secretAccessKey: 'not-a-secret', sessionToken: 'session' };
  const webIdentity = awsWebIdentity({ endpoint: sts.url, region: 'us-east-1', credentials, maxAttempts: 2 });
  return { clock, sts, webIdentity };
}

async function toGcp() {
  const { clock, sts, webIdentity } = await onAws(new ManualClock());
  const google = await recordingServerOfTest(googleExchange(clock));
  const cloud = {
    workloadIdentityProvider: PROVIDER,
    controlServiceAccount: CONTROL,
    endpoints: { sts: google.url, iamCredentials: google.url },
  };
  return { clock, sts, google, token: gcpTokenFromAws(cloud, { clock: clock, webIdentity }) };
}

async function toAzure() {
  const { clock, sts, webIdentity } = await onAws(new ManualClock());
  const login = await recordingServerOfTest(entra(TENANT));
  const cloud = { tenantId: TENANT, controlClientId: CLIENT, endpoints: { login: login.url } };
  const resource = AZURE_RESOURCES.storage;
  return { clock, sts, login, token: azureTokenFromAws(cloud, { resource, clock, webIdentity }) };
}

describe('AWS', () => {
  it('is asked who the function is, for the one audience, signed', async () => {
    const { sts, token } = await toAzure();
    await token();

    expect(sts.requests).toMatchObject([
      {
        method: 'POST',
        path: '/',
        form: {
          Action: 'GetWebIdentityToken',
          'Audience.member.1': 'api://AzureADTokenExchange',
          SigningAlgorithm: 'RS256',
          DurationSeconds: '300',
        },
        headers: { authorization: expect.stringContaining('AWS4-HMAC-SHA256 Credential=ASIACONTROL/') },
      },
    ]);
    expect(sts.requests[0]?.form).not.toHaveProperty('Audience.member.2');
  });

  it('says that the account has not enabled it, and how to', async () => {
    const { sts, google, token } = await toGcp();
    sts.failures.push(stsFailure('OutboundWebIdentityFederationDisabledException'));

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain('`aws iam enable-outbound-web-identity-federation`');
    expect(google.requests).toEqual([]);
  });

  it('says that the role may not', async () => {
    const { sts, token } = await toAzure();
    sts.failures.push(stsFailure('AccessDenied'));

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(
      "tell api://AzureADTokenExchange who this is (AccessDenied): the role's policy must allow",
    );
  });

  it('is asked again when it fails for a moment, and forgives a longer one to whoever asks later', async () => {
    const { sts, token } = await toAzure();
    sts.failures.push(stsFailure('InternalFailure', 500), stsFailure('InternalFailure', 500));

    await expect(token()).rejects.toThrow(TransientError);
    expect(await token()).toBe('azure.control-1.signature');
  });
});

describe('GCP', () => {
  it("exchanges AWS's token for one of the pool, and that for one of the service account", async () => {
    const { google, token } = await toGcp();

    expect(await token()).toBe('ya29.control-1');
    expect(google.requests).toHaveLength(2);
    const [exchange, impersonation] = google.requests;
    expect(exchange).toMatchObject({
      method: 'POST',
      path: '/v1/token',
      form: {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        audience: `//iam.googleapis.com/${PROVIDER}`,
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        // Signed for what the provider expects when it names no audience of its own.
        subject_token: `header.https://iam.googleapis.com/${PROVIDER}.signature`,
        scope: 'https://www.googleapis.com/auth/cloud-platform',
      },
    });
    expect(exchange?.headers).not.toHaveProperty('authorization');
    expect(impersonation).toMatchObject({
      method: 'POST',
      path: `/v1/projects/-/serviceAccounts/${CONTROL}:generateAccessToken`,
      headers: { authorization: 'Bearer ya29.federated' },
    });
    expect(JSON.parse(impersonation?.body ?? '')).toEqual({
      scope: ['https://www.googleapis.com/auth/cloud-platform'],
      lifetime: '3600s',
    });
  });

  it('is asked once an hour, however many want a token', async () => {
    const { clock, google, token } = await toGcp();
    expect(await Promise.all([token(), token()])).toEqual(['ya29.control-1', 'ya29.control-1']);
    clock.advance(3_300);
    expect(await token()).toBe('ya29.control-1');
    expect(google.requests).toHaveLength(2);

    clock.advance(100);

    expect(await token()).toBe('ya29.control-2');
  });

  it.each([
    ['invalid_grant', 'The audience in ID Token does not match.', "its issuer must be this AWS account's"],
    ['unauthorized_client', 'The given credential is rejected by the attribute condition.', 'its attribute condition'],
    ['invalid_target', 'The target service indicated is invalid.', 'does not exist, or is disabled'],
  ])('refuses with %s, and it is said what to set right', async (code, description, advice) => {
    const { google, token } = await toGcp();
    google.failures.push(exchangeFailure(code, description));

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(`(${code}) at ${PROVIDER}`);
    expect(String(error)).toContain(advice);
  });

  it('does not let the pool act as the service account, and it is said which role is missing', async () => {
    const { google, token } = await toGcp();
    google.failures.push(
      { body: { access_token: 'ya29.federated', expires_in: 3_600 } },
      googleFailure(403, 'PERMISSION_DENIED', "Permission 'iam.serviceAccounts.getAccessToken' denied"),
    );

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(`act as ${CONTROL}`);
    expect(String(error)).toContain('roles/iam.workloadIdentityUser');
  });

  it('is asked again when it fails for a moment', async () => {
    const { google, token } = await toGcp();
    google.failures.push({ status: 503 });

    expect(await token()).toBe('ya29.control-1');
  });

  it('may be asked later when nobody listens', async () => {
    const { google, token } = await toGcp();
    await google.stop();

    await expect(token()).rejects.toThrow(new TransientError('Google cannot be reached for a token'));
  });
});

describe("Google's own library", () => {
  it('sends the same', async () => {
    const { google, token } = await toGcp();
    await token();
    const library = new IdentityPoolClient({
      type: 'external_account',
      audience: `//iam.googleapis.com/${PROVIDER}`,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${google.url}/v1/token`,
      service_account_impersonation_url: `${google.url}/v1/projects/-/serviceAccounts/${CONTROL}:generateAccessToken`,
      subject_token_supplier: {
        getSubjectToken: async () => `header.https://iam.googleapis.com/${PROVIDER}.signature`,
      },
    });

    await library.getAccessToken();

    const sent = google.requests.map(({ method, path, form, body, headers: { authorization } }) => ({
      method,
      path,
      authorization,
      content: Object.keys(form).length > 0 ? form : JSON.parse(body),
    }));
    expect(sent).toHaveLength(4);
    expect(sent.slice(0, 2)).toEqual(sent.slice(2));
  });
});

describe('Azure', () => {
  it("takes AWS's token as proof of being the application", async () => {
    const { login, token } = await toAzure();

    expect(await token()).toBe('azure.control-1.signature');
    expect(login.requests).toMatchObject([
      {
        method: 'POST',
        path: `/${TENANT}/oauth2/v2.0/token`,
        form: {
          client_id: CLIENT,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: 'header.api://AzureADTokenExchange.signature',
          grant_type: 'client_credentials',
          scope: 'https://storage.azure.com/.default',
        },
      },
    ]);
  });

  it('is asked once an hour', async () => {
    const { clock, login, token } = await toAzure();
    await Promise.all([token(), token()]);
    clock.advance(3_300);
    expect(await token()).toBe('azure.control-1.signature');
    expect(login.requests).toHaveLength(1);

    clock.advance(100);

    expect(await token()).toBe('azure.control-2.signature');
  });

  it('does not know the role, and it is said what a federated credential must have', async () => {
    const { login, token } = await toAzure();
    const text = 'No matching federated identity record found for presented assertion subject.';
    login.failures.push(entraFailure('invalid_request', 700_213, text, 400));

    const error = await token().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(PermanentError);
    expect(String(error)).toContain(`for ${CLIENT} in ${TENANT} (AADSTS700213)`);
    expect(String(error)).toContain("this role's ARN as its subject and api://AzureADTokenExchange as its audience");
  });

  it('is asked again when it fails for a moment', async () => {
    const { login, token } = await toAzure();
    login.failures.push({ status: 503 }, { status: 500 });

    expect(await token()).toBe('azure.control-1.signature');
  });

  it('may be asked later when it fails for longer, has too much to do, or nobody listens', async () => {
    const { login, token } = await toAzure();
    login.failures.push({ status: 503 }, { status: 503 }, { status: 503 }, ...Array(3).fill({ status: 429 }));

    await expect(token()).rejects.toThrow('Entra gives out no tokens at the moment');
    await expect(token()).rejects.toThrow('Entra gives out no tokens at the moment');
    await login.stop();
    await expect(token()).rejects.toThrow(new TransientError('Entra cannot be reached for a token'));
  });
});
