/** The doctor over three clouds that answer on this machine: what it says of each fault, and the command that mends it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { examine } from '../../cli/doctor/examine.ts';
import { awsAccount } from '../clouds/doctor/aws-account.ts';
import { azureSubscription } from '../clouds/doctor/azure-subscription.ts';
import { googleProject } from '../clouds/doctor/google-project.ts';
import { entraFailure } from '../clouds/identity/azure-servers.ts';
import { exchangeFailure } from '../clouds/identity/google-servers.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../factories/clouds.ts';
import { systemClock } from '../factories/manual-clock.ts';

const FLEETS = { near: { provider: 'aws' }, far: { provider: 'gcp' }, further: { provider: 'azure' } };

let aws: Awaited<ReturnType<typeof awsAccount>>;
let google: Awaited<ReturnType<typeof googleProject>>;
let azure: Awaited<ReturnType<typeof azureSubscription>>;

beforeEach(async () => {
  [aws, google, azure] = await Promise.all([awsAccount(), googleProject(), azureSubscription()]);
  vi.stubEnv('AWS_ENDPOINT_URL', aws.url);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'ASIAOPERATOR');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'planted-secret');
  vi.stubEnv('AWS_SESSION_TOKEN', 'planted-session');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all([aws.stop(), google.stop(), azure.stop()]);
});

interface Case {
  readonly region?: string | undefined;
  readonly clouds?: object;
  readonly fleets?: object;
  readonly limitMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

async function found({ clouds, fleets = FLEETS, limitMs = 15_000, environment = {}, ...more }: Case = {}) {
  const fleetsFile = join(temporaryFolder(), 'fleets.yml');
  await writeFile(fleetsFile, stringify({ fleets, clouds: clouds ?? { gcp: google.cloud, azure: azure.cloud } }));
  const options = { fleetsFile, stage: 'dev', region: 'us-east-1', limitMs, clock: systemClock, environment, ...more };
  const findings = await examine(options);
  const wrong = findings.filter(({ status }) => status === 'failed');
  return { findings, wrong, of: (what: string) => findings.find((each) => each.what === what) };
}

describe('a deployment over three clouds that is in order', () => {
  it('has every link looked at, and nothing to mend', async () => {
    const { findings } = await found();

    expect(findings.map(({ what, status }) => `${status} ${what}`)).toEqual([
      'ok AWS identity',
      'ok queues on AWS',
      'ok tables',
      'ok bucket',
      'ok EC2: subnets',
      'ok EC2: fleet near',
      'ok EC2: spot quota of near',
      'ok Lambda concurrency',
      'ok outbound federation',
      'ok AWS → GCP',
      'ok GCP: queues',
      'ok GCP: bucket',
      'ok GCP: compute',
      'ok GCP: spot quota of far',
      'ok AWS → Azure',
      'ok Azure: queues',
      'ok Azure: container',
      'ok Azure: compute',
      'ok Azure: spot quota of further',
      'ok GCP → AWS',
      'ok Azure → AWS',
      'ok no key in functions',
      'ok no key in fleets.yml',
      'ok no key around here',
    ]);
  });

  it('is only read: nothing is sent, launched or changed', async () => {
    await found();

    const actions = aws.requests.map(({ form, headers, method, path }) =>
      String(form['Action'] ?? headers['x-amz-target'] ?? `${method} ${path}`),
    );
    const harmless =
      /^(GetCallerIdentity|GetWebIdentityToken|GetRole|GetOutbound\w+|DescribeSubnets|DescribeInstanceTypes|ServiceQuotasV20190624\.Get\w+|AmazonSQS\.GetQueueUrl|DynamoDB_20120810\.DescribeTable|(GET|HEAD) .*)$/;
    expect(actions.filter((action) => !harmless.test(action))).toEqual(['CreateFleet']);
    expect(aws.requests.find(({ form }) => form['Action'] === 'CreateFleet')?.form['DryRun']).toBe('true');
    for (const { method, path } of [...google.requests, ...azure.requests]) {
      expect(method === 'GET' || /token$|:generateAccessToken$|:testIamPermissions$/.test(path), path).toBe(true);
    }
  });

  it('tells no token and no key', async () => {
    const { findings } = await found();

    expect(JSON.stringify(findings)).not.toMatch(/planted|ya29|signature|ASIAOPERATOR/);
  });
});

describe('without other clouds', () => {
  it('looks at AWS alone', async () => {
    const { wrong, findings, of } = await found({ clouds: {}, fleets: { near: { provider: 'aws' } } });

    expect(wrong).toEqual([]);
    expect(of('other clouds')?.status).toBe('skipped');
    expect(findings.map(({ what }) => what).join()).not.toMatch(/GCP|Azure|federation/);
  });
});

interface Fault {
  readonly spoil: () => void;
  readonly what: string;
  readonly message: RegExp;
  readonly mend: RegExp;
}

/** Several at a time that do not get into each other's way: what is broken, what is said of it, and what mends it. */
const FAULTS: readonly (readonly [string, Readonly<Record<string, Fault>>])[] = [
  [
    'a deployment that lacks a little of everything',
    {
      'a queue on AWS that is missing': {
        spoil: () => aws.account.missing.add('shoal-tasks-near-normal-dev'),
        what: 'queues on AWS',
        message: /1 of \d+ are missing: shoal-tasks-near-normal-dev/,
        mend: /sls deploy --stage dev --region us-east-1/,
      },
      'a table that is missing': {
        spoil: () => aws.account.missing.add('shoal-jobs-dev'),
        what: 'tables',
        message: /shoal-jobs-dev/,
        mend: /sls deploy --stage dev --region us-east-1/,
      },
      'a bucket that is missing': {
        spoil: () => aws.account.missing.add('shoal-data-1a2b'),
        what: 'bucket',
        message: /shoal-data-1a2b/,
        mend: /sls deploy/,
      },
      'a role for spot machines that nobody may make': {
        spoil: () => Object.assign(aws.account, { dryRun: 'AuthFailure.ServiceLinkedRoleCreationNotPermitted' }),
        what: 'EC2: fleet near',
        message: /ServiceLinkedRole/,
        mend: /aws iam create-service-linked-role/,
      },
      'subnets without addresses': {
        spoil: () => Object.assign(aws.account, { freeAddresses: 3 }),
        what: 'EC2: subnets',
        message: /3 free addresses, but fleets of up to 10 machines/,
        mend: /larger subnets/,
      },
      "a new account's quota of Lambda": {
        spoil: () => Object.assign(aws.account, { concurrency: 10 }),
        what: 'Lambda concurrency',
        message: /10 executions/,
        mend: /request-service-quota-increase .* L-B99A9384 .* --region us-east-1/,
      },
      'a quota of vCPUs that is not enough for one machine': {
        spoil: () => aws.account.quotas.set('L-34B43A08', 0),
        what: 'EC2: spot quota of near',
        message: /none of its 10 machines: 0 vCPUs of All L-34B43A08 Requests, 1 for the smallest .* \(c7g.medium\)/,
        mend: /^aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-34B43A08 --desired-value 10 --region us-east-1$/,
      },
      'a topic that is missing': {
        spoil: () => google.project.missing.add('topics/shoal-tasks-far-high-dev'),
        what: 'GCP: queues',
        message: /1 of 10 are missing: topics\/shoal-tasks-far-high-dev/,
        mend: /terraform apply/,
      },
      'a bucket at Google that is closed': {
        spoil: () => google.project.closed.add(GCP_CLOUD.bucket),
        what: 'GCP: bucket',
        message: /closed/,
        mend: /gcloud projects add-iam-policy-binding acme-batch .*storage.objectUser/,
      },
      'Compute Engine that is not enabled': {
        spoil: () => Object.assign(google.project, { computeIsEnabled: false }),
        what: 'GCP: compute',
        message: /not enabled/,
        mend: /gcloud services enable compute.googleapis.com/,
      },
      'a queue on Azure that is missing': {
        spoil: () => azure.subscription.missing.add('shoal-status-dev'),
        what: 'Azure: queues',
        message: /1 of 5 are missing: shoal-status-dev/,
        mend: /terraform apply/,
      },
      'a container that is closed': {
        spoil: () => azure.subscription.closed.add('container'),
        what: 'Azure: container',
        message: /closed/,
        mend: /"Storage Blob Data Contributor"/,
      },
      'a resource group that is closed': {
        spoil: () => azure.subscription.closed.add('group'),
        what: 'Azure: compute',
        message: /closed/,
        mend: /"Virtual Machine Contributor" --scope \/subscriptions\//,
      },
      'a bridge without a role': {
        spoil: () => aws.account.roles.delete('shoal-bridge-gcp-dev'),
        what: 'GCP → AWS',
        message: /shoal-bridge-gcp-dev is not there/,
        mend: /sls deploy/,
      },
      'a role of a bridge that trusts a whole tenant': {
        spoil: () => widen('shoal-bridge-azure-dev', `sts.windows.net/${AZURE_CLOUD.tenantId}/:sub`),
        what: 'Azure → AWS',
        message: /does not pin/,
        mend: /sls deploy/,
      },
      'a key in the environment of a function': {
        spoil: () => aws.account.environments.set('query', { STAGE: 'dev', TOOL_KEY: 'AKIAIOSFODNN7EXAMPLE' }),
        what: 'no key in functions',
        message: /^TOOL_KEY of shoal-dev-query$/,
        mend: /revoke/,
      },
    },
  ],
  [
    'one that lacks other things',
    {
      'functions that have reserved all that may be': {
        spoil: () => Object.assign(aws.account, { reserved: 950 }),
        what: 'Lambda concurrency',
        message: /1000 executions at a time, 50 of them unreserved/,
        mend: /--desired-value 2000/,
      },
      'a subscription that is closed': {
        spoil: () => google.project.closed.add('subscriptions/shoal-tasks-far-high-dev'),
        what: 'GCP: queues',
        message: /closed to the control plane/,
        mend: /shoal-control-test@.* --role roles\/pubsub.subscriber/,
      },
      'a bucket at Google that is missing': {
        spoil: () => google.project.missing.add(GCP_CLOUD.bucket),
        what: 'GCP: bucket',
        message: /does not exist/,
        mend: /gcloud storage buckets create gs:\/\//,
      },
      'a region that does not exist': {
        spoil: () => google.project.missing.add(GCP_CLOUD.region),
        what: 'GCP: compute',
        message: /europe-west4 .*does not exist/,
        mend: /fleets.yml/,
      },
      'queues on Azure that are closed': {
        spoil: () => azure.subscription.closed.add('queues'),
        what: 'Azure: queues',
        message: /closed/,
        mend: /az role assignment create .*"Azure Service Bus Data Owner"/,
      },
      'a container that is missing': {
        spoil: () => azure.subscription.missing.add('container'),
        what: 'Azure: container',
        message: /does not exist/,
        mend: /az storage container create/,
      },
      'a role of a bridge for every audience': {
        spoil: () => widen('shoal-bridge-gcp-dev', 'accounts.google.com:oaud'),
        what: 'GCP → AWS',
        message: /does not pin .*accounts.google.com:oaud/,
        mend: /sls deploy/,
      },
    },
  ],
  [
    'an account that tells nobody who its roles are',
    {
      'an account that does not say who its roles are': {
        spoil: () => Object.assign(aws.account, { isFederating: false }),
        what: 'outbound federation',
        message: /does not tell/,
        mend: /^aws iam enable-outbound-web-identity-federation$/,
      },
    },
  ],
  [
    'clouds that expect somebody else',
    {
      'a provider at Google with another issuer': {
        spoil: () => google.failures.push(...Array(4).fill(exchangeFailure('invalid_grant', 'as told'))),
        what: 'AWS → GCP',
        message: /\(invalid_grant\)/,
        mend: /^aws iam get-outbound-web-identity-federation-info$/,
      },
      'an application that Entra does not know': {
        spoil: () =>
          azure.failures.push(...Array(4).fill(entraFailure('unauthorized_client', 700_016, 'as told', 400))),
        what: 'AWS → Azure',
        message: /AADSTS700016/,
        mend: /terraform apply/,
      },
    },
  ],
  [
    'a pool that may act as nobody',
    {
      'a service account that the pool may not act as': {
        spoil: () => google.project.closed.add(GCP_CLOUD.controlServiceAccount),
        what: 'AWS → GCP',
        message: /refuses with 403/,
        mend: /^gcloud iam service-accounts add-iam-policy-binding .*workloadIdentityPools\/shoal-test\/\*"$/,
      },
    },
  ],
];

describe('quotas of EC2', () => {
  const only = (fleets: object) => found({ clouds: {}, fleets });

  it('are those of the account, and of every market that a fleet buys on; else what AWS gives by default', async () => {
    aws.account.quotas.set('L-34B43A08', 7);

    const { of, wrong } = await only({ near: { provider: 'aws', market: 'spot-then-on-demand' } });

    expect(of('EC2: spot quota of near')).toMatchObject({
      status: 'warned',
      message: expect.stringMatching(/^this fleet can have 7 of its 10 machines at a time: 7 vCPUs of /),
      mend: expect.stringContaining('L-34B43A08 --desired-value 10'),
    });
    expect(of('EC2: on-demand quota of near')).toMatchObject({
      status: 'warned',
      message: expect.stringMatching(/^this fleet can have 5 of its 10 /),
      mend: expect.stringContaining('L-1216C47A --desired-value 10'),
    });
    expect(wrong).toEqual([]);
  });

  it('are those of the families that the fleet rents', async () => {
    const graphics = { provider: 'aws', gpu: { count: 1 }, maxInstances: 2 };
    aws.account.quotas.set('L-3819A6DF', 0);

    const { of } = await only({ graphics, near: { provider: 'aws' } });

    expect(of('EC2: spot quota of graphics')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('4 for the smallest machine that holds a slot (g4dn.xlarge)'),
      mend: expect.stringContaining('L-3819A6DF --desired-value 8'),
    });
    expect(of('EC2: spot quota of near')?.status).toBe('ok');
  });

  it('that may not be read are not looked at, and it is said what would have to be allowed', async () => {
    aws.account.mayReadQuotas = false;

    const { of, wrong } = await only({ near: { provider: 'aws' } });

    expect(of('EC2: quotas')).toMatchObject({
      status: 'skipped',
      message: 'could not be read',
      mend: expect.stringContaining('servicequotas:GetServiceQuota'),
    });
    expect(wrong).toEqual([]);
  });
});

describe('quotas of other clouds', () => {
  const far = { provider: 'gcp', maxInstances: 40 };
  const further = { provider: 'azure', maxInstances: 40 };

  it('are shared by all spot machines of a region', async () => {
    google.project.quotas.set('PREEMPTIBLE_CPUS', 30);
    azure.subscription.quotas.set('lowPriorityCores', 3);

    const { of } = await found({ fleets: { far, further } });

    expect(of('GCP: spot quota of far')).toMatchObject({
      status: 'warned',
      message:
        'this fleet can have 30 of its 40 machines at a time: 30 vCPUs of PREEMPTIBLE_CPUS (2 in use), 1 for the smallest machine that holds a slot (t2d-standard-1)',
      mend: expect.stringMatching(
        /^gcloud quotas preferences create .*--quota-id=PREEMPTIBLE-CPUS-per-project-region .*--preferred-value=40 /,
      ),
    });
    expect(of('Azure: spot quota of further')).toMatchObject({
      status: 'warned',
      message: expect.stringMatching(
        /^this fleet can have 1 of its 40 .* 3 vCPUs of lowPriorityCores \(4 in use\), 2 for /,
      ),
      mend: expect.stringMatching(
        /^az quota update --resource-name lowPriorityCores .*value=80 --resource-type lowPriority$/,
      ),
    });
  });

  it('are those of a series for other machines, and for spot machines of a project that has none for these', async () => {
    google.project.quotas.set('PREEMPTIBLE_CPUS', 0);
    const onDemand = { ...further, market: 'on-demand', architectures: ['x86_64'] };

    const { of } = await found({ fleets: { far, further: onDemand } });

    // 24 of t2d-standard-1, 12 of e2-standard-2.
    expect(of('GCP: spot quota of far')).toMatchObject({
      status: 'warned',
      message: expect.stringMatching(/36 of its 40 .* 24 vCPUs of T2D_CPUS .* 24 vCPUs of CPUS .*\(e2-standard-2\)/),
      mend: expect.stringContaining('PREEMPTIBLE-CPUS'),
    });
    expect(of('Azure: on-demand quota of further')).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^room for all 40 machines: .* of cores /),
    });
  });

  it('that may not be read are to be looked at by hand', async () => {
    azure.subscription.closed.add('quotas');

    const { of, wrong } = await found({ fleets: { further } });

    expect(of('Azure: quotas')).toMatchObject({
      status: 'skipped',
      mend: expect.stringContaining('az vm list-usage'),
    });
    expect(wrong).toEqual([]);
  });
});

/** Takes one condition away from a role's trust. */
function widen(role: string, claim: string): void {
  const trust = structuredClone(Object(aws.account.roles.get(role)));
  delete trust.Statement[0].Condition.StringEquals[claim];
  aws.account.roles.set(role, trust);
}

describe('of a fault it is said what it is, and which command mends it:', () => {
  it.each(FAULTS)('%s', async (_, faults) => {
    for (const { spoil } of Object.values(faults)) spoil();

    const { of } = await found();

    for (const [name, { what, message, mend }] of Object.entries(faults)) {
      const finding = of(what);
      expect(finding, name).toMatchObject({ status: 'failed', message: expect.stringMatching(message) });
      expect(finding?.mend, name).toMatch(mend);
    }
  });
});

describe('a link that cannot be seen from here', () => {
  it('is no fault: the other clouds trust functions, not the person who looks', async () => {
    google.failures.push(...Array(4).fill(exchangeFailure('unauthorized_client', 'as told')));
    azure.failures.push(...Array(4).fill(entraFailure('invalid_request', 700_213, 'as told', 400)));

    const { wrong, of } = await found();

    expect(wrong).toEqual([]);
    expect(of('AWS → GCP')).toMatchObject({ status: 'skipped', message: expect.stringContaining('not yours') });
    expect(of('AWS → Azure')?.status).toBe('skipped');
    expect(of('GCP: queues')).toMatchObject({ status: 'skipped', message: 'needs a token of that cloud' });
  });
});

describe('somebody whom AWS does not know', () => {
  it('is told so once, and nothing else is asked of AWS', async () => {
    aws.account.isKnown = false;

    const { wrong, of } = await found();

    expect(wrong).toMatchObject([{ what: 'AWS identity', mend: expect.stringContaining('aws sso login') }]);
    expect(of('tables')).toMatchObject({ status: 'skipped', message: 'needs an AWS identity' });
    expect(aws.requests.every(({ form }) => form['Action'] === 'GetCallerIdentity')).toBe(true);
  });
});

describe('a cloud that does not answer', () => {
  it('costs the looks at it, not the others', async () => {
    await google.stop();

    const { wrong, of } = await found();

    expect(wrong.map(({ what }) => what)).toEqual(['AWS → GCP']);
    expect(of('AWS → Azure')?.status).toBe('ok');
  });
});

describe('what a newcomer may lack', () => {
  const near = { clouds: {}, fleets: { near: { provider: 'aws' } } };

  it('is a region', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) vi.stubEnv(name, '');
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere/config');

    const { findings } = await found({ ...near, region: undefined });

    expect(findings).toMatchObject([{ what: 'AWS region', mend: expect.stringContaining('--region us-east-1') }]);
  });

  it('is credentials', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, '');
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nowhere/file');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');

    const { wrong } = await found({ ...near, environment: { AWS_PROFILE: 'me' } });

    expect(wrong).toMatchObject([
      {
        what: 'AWS identity',
        message: expect.stringMatching(/^no credentials of profile me: Could not load/),
        mend: expect.stringContaining('aws configure'),
      },
    ]);
  });

  it('is a network, or a region that there is', async () => {
    await aws.stop();

    const { wrong } = await found(near);

    expect(wrong).toMatchObject([
      {
        what: 'AWS identity',
        message: 'in us-east-1, STS does not answer (ECONNREFUSED)',
        mend: expect.stringContaining('is us-east-1 a region of AWS?'),
      },
    ]);
  });

  it('is a deployment of that stage', async () => {
    aws.account.missing.add('shoal-dev-scaler');

    const { of } = await found(near);

    expect(of('functions')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('stage dev is not deployed there'),
      mend: expect.stringMatching(/^npx sls deploy --stage dev --region us-east-1, or name the stage and region/),
    });
    expect(of('launches on EC2')?.status).toBe('skipped');
  });

  it('is a permission', async () => {
    aws.account.denied.add('DescribeTable');
    Object.assign(aws.account, { dryRun: 'UnauthorizedOperation' });

    const { wrong } = await found(near);

    expect(wrong).toMatchObject([
      { what: 'tables', mend: 'allow your role dynamodb:DescribeTable' },
      { what: 'EC2: fleet near', mend: expect.stringContaining('ec2:CreateFleet') },
    ]);
  });
});

describe('a fleet of a cloud that is not declared', () => {
  it('gets no machines: that is a fault', async () => {
    const { wrong } = await found({ clouds: {} });

    expect(wrong).toMatchObject([
      { what: 'fleet far', mend: expect.stringContaining('clouds.gcp') },
      { what: 'fleet further', mend: expect.stringContaining('clouds.azure') },
    ]);
  });
});

describe('fleets.yml', () => {
  const written = async (text: string) => {
    const fleetsFile = join(temporaryFolder(), 'fleets.yml');
    await writeFile(fleetsFile, text);
    return fleetsFile;
  };
  const looked = (fleetsFile: string) =>
    examine({ fleetsFile, stage: 'dev', region: 'us-east-1', limitMs: 1_000, clock: systemClock, environment: {} });

  it('has every fault named, with its place', async () => {
    const fleetsFile = await written('fleets: { near: { provider: mars, maxInstance: 3 }, Far: { provider: aws } }');

    expect(await looked(fleetsFile)).toEqual([
      failedIn(fleetsFile, 'fleets.near.provider: must be one of aws, gcp, azure, external'),
      failedIn(fleetsFile, 'fleets.near.maxInstance: unknown field'),
      failedIn(fleetsFile, expect.stringMatching(/^fleets\.Far: a fleet name is /)),
    ]);
  });

  it('may be no YAML', async () => {
    const fleetsFile = await written('fleets:\n  near:\n    provider: aws\n   slot: 3\n');

    expect(await looked(fleetsFile)).toEqual([failedIn(fleetsFile, expect.stringMatching(/ at line 4, column 1$/))]);
  });

  it('may not be there', async () => {
    const findings = await looked('/nowhere/fleets.yml');

    expect(findings).toMatchObject([
      {
        what: 'fleets.yml',
        message: '/nowhere/fleets.yml is not there',
        mend: expect.stringContaining('--fleets'),
      },
    ]);
  });
});

const failedIn = (fleetsFile: string, message: unknown) => ({
  what: 'fleets.yml',
  status: 'failed',
  message,
  mend: expect.stringContaining(fleetsFile),
});
