import { describe, expect, it } from 'vitest';
import { azureCloudSchema, gcpCloudSchema } from '../core/clouds.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../test/factories/clouds.ts';
import { functionRoleLogicalId, otherCloudResources, REACHING_FUNCTIONS, SENDING_FUNCTIONS } from './other-clouds.ts';

const gcp = gcpCloudSchema.parse(GCP_CLOUD);
const azure = azureCloudSchema.parse(AZURE_CLOUD);
const TENANT = azure.tenantId;
const trustOf = (resource: unknown) =>
  Object(resource).Properties.AssumeRolePolicyDocument.Statement.map((each: object) => ({ ...each }));

describe('without another cloud', () => {
  it('nobody may become anybody', () => {
    expect(otherCloudResources({}, 'dev')).toEqual({});
  });
});

describe('with a project on GCP', () => {
  const resources = otherCloudResources({ gcp }, 'dev');

  it('makes nothing for Azure', () => {
    expect(Object.keys(resources).filter((name) => name.startsWith('Azure'))).toEqual([]);
  });

  it('lets functions say who they are to that project alone, briefly', () => {
    const [statement] = Object(resources['OtherCloudsPolicy']).Properties.PolicyDocument.Statement;

    expect(statement).toEqual({
      Effect: 'Allow',
      Action: 'sts:GetWebIdentityToken',
      Resource: '*',
      Condition: {
        'ForAllValues:StringEquals': {
          'sts:IdentityTokenAudience': [`https://iam.googleapis.com/${GCP_CLOUD.workloadIdentityProvider}`],
        },
        Null: { 'sts:IdentityTokenAudience': 'false' },
        NumericLessThanEquals: { 'sts:DurationSeconds': 300 },
      },
    });
  });

  it('lets those that send tasks read what these name, and write nothing but checkpoints', () => {
    const { Roles, PolicyDocument } = Object(resources['OtherCloudsInputsPolicy']).Properties;
    const [read, write] = PolicyDocument.Statement;

    expect(Roles).toEqual(SENDING_FUNCTIONS.map((name) => ({ Ref: functionRoleLogicalId(name) })));
    expect(JSON.stringify(read)).toMatch(/s3:GetObject.*\/jobs\/\*\/inputs\/\*.*\/jobs\/\*\/checkpoints\/\*/);
    expect(write).toEqual({
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: [{ 'Fn::Join': ['', [{ 'Fn::GetAtt': ['DataBucket', 'Arn'] }, '/jobs/*/checkpoints/*']] }],
    });
  });

  it('trusts one service account, by its id, and only for this stage', () => {
    expect(resources['GcpBridgeRole']?.Properties['RoleName']).toBe('shoal-bridge-gcp-dev');
    expect(trustOf(resources['GcpBridgeRole'])).toEqual([
      {
        Effect: 'Allow',
        Principal: { Federated: 'accounts.google.com' },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            'accounts.google.com:sub': GCP_CLOUD.bridgeServiceAccountId,
            'accounts.google.com:aud': GCP_CLOUD.bridgeServiceAccountId,
            'accounts.google.com:oaud': 'shoal-bridge-dev',
          },
        },
      },
    ]);
  });
});

describe('with a subscription on Azure', () => {
  it('trusts one identity of one tenant, for one application', () => {
    const resources = otherCloudResources({ azure }, 'dev');

    expect(resources['AzureTenantProvider']?.Properties).toEqual({
      Url: `https://sts.windows.net/${TENANT}/`,
      ClientIdList: ['api://shoal-test'],
    });
    expect(trustOf(resources['AzureBridgeRole'])).toEqual([
      {
        Effect: 'Allow',
        Principal: { Federated: { 'Fn::GetAtt': ['AzureTenantProvider', 'Arn'] } },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`sts.windows.net/${TENANT}/:sub`]: azure.bridgePrincipalId,
            [`sts.windows.net/${TENANT}/:aud`]: 'api://shoal-test',
          },
        },
      },
    ]);
  });

  it("uses the account's own provider of the tenant where there is one", () => {
    const awsOidcProviderArn = `arn:aws:iam::123456789012:oidc-provider/sts.windows.net/${TENANT}/`;
    const resources = otherCloudResources({ azure: { ...azure, awsOidcProviderArn } }, 'dev');

    expect(resources).not.toHaveProperty('AzureTenantProvider');
    expect(trustOf(resources['AzureBridgeRole'])[0].Principal).toEqual({ Federated: awsOidcProviderArn });
  });
});

describe('a bridge', () => {
  const resources = otherCloudResources({ gcp, azure }, 'dev');

  it.each(['GcpBridgeRole', 'AzureBridgeRole'])(
    'may, as %s, send reports and dead letters and nothing else',
    (name) => {
      const policies = Object(resources[name]).Properties.Policies;

      expect(policies).toHaveLength(1);
      expect(policies[0].PolicyDocument.Statement).toEqual([
        {
          Effect: 'Allow',
          Action: 'sqs:SendMessage',
          Resource: [{ 'Fn::GetAtt': ['StatusQueue', 'Arn'] }, { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] }],
        },
      ]);
    },
  );
});

describe('the reaper', () => {
  it('tells no cloud who it is: it knows EC2 alone', () => {
    expect(REACHING_FUNCTIONS).not.toContain('reaper');
    expect(functionRoleLogicalId('status-consumer')).toBe('StatusDashconsumerIamRoleLambdaExecution');
  });
});
