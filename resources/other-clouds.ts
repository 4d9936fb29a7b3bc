/**
 * Who may become whom between AWS and the other clouds, as CloudFormation: only for clouds that `fleets.yml` declares.
 *
 * - Functions that send tasks may read what these name at home, and carry checkpoints there.
 * - Functions that talk to a cloud may have AWS sign who they are, for that cloud's audience and no other.
 * - The bridge of a cloud may become a role that sends reports and dead letters, and can do nothing else. The role's trust
 *   names one subject and one audience.
 */
import { AZURE_AUDIENCE } from '../adapters/identity/azure-from-aws.ts';
import {
  azureBridgeClaims,
  azureIssuer,
  GOOGLE_ISSUER,
  gcpBridgeClaims,
  type PinnedClaims,
} from '../adapters/identity/bridge-trust.ts';
import { gcpAudience } from '../adapters/identity/gcp-from-aws.ts';
import { type AzureCloud, bridgeRoleName, type Clouds, type GcpCloud } from '../core/clouds.ts';
import type { CloudFormationResource, CloudFormationResources } from './cloudformation.ts';

/** Those that reach queues, buckets or machines of a fleet, wherever it is. */
export const REACHING_FUNCTIONS = [
  'submit',
  'cancel',
  'amend',
  'query',
  'status-consumer',
  'delayed',
  'dead-letter',
  'scaler',
  'job-steps',
] as const;

/** Those that send task messages: they carry what a message names to where it is read (functions/clouds/places-of-blobs.ts). */
export const SENDING_FUNCTIONS = [
  'cancel',
  'status-consumer',
  'delayed',
  'dead-letter',
  'scaler',
  'job-steps',
] as const;

/** As the framework calls the role of a function. */
export const functionRoleLogicalId = (name: string): string =>
  `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', 'Dash')}IamRoleLambdaExecution`;

export function otherCloudResources({ gcp, azure }: Clouds, stage: string): CloudFormationResources {
  const audiences = [...(gcp ? [gcpAudience(gcp)] : []), ...(azure ? [AZURE_AUDIENCE] : [])];
  return {
    ...(audiences.length > 0 && { OtherCloudsPolicy: identityPolicy(audiences, stage), ...blobPolicies(stage) }),
    ...(gcp && { GcpBridgeRole: gcpBridgeRole(gcp, stage) }),
    ...(azure && azureResources(azure, stage)),
  };
}

function blobPolicies(stage: string): CloudFormationResources {
  const bucket = { 'Fn::GetAtt': ['DataBucket', 'Arn'] };
  const blobs = (...folders: string[]) =>
    folders.map((folder) => ({ 'Fn::Join': ['', [bucket, `/jobs/*/${folder}/*`]] }));
  const policy = (name: string, functions: readonly string[], statements: readonly object[]) => ({
    Type: 'AWS::IAM::Policy',
    Properties: {
      PolicyName: `shoal-other-clouds-${name}-${stage}`,
      Roles: functions.map((each) => ({ Ref: functionRoleLogicalId(each) })),
      PolicyDocument: {
        Version: '2012-10-17',
        // Without this S3 answers 403, not 404, for an object that does not exist.
        Statement: [...statements, { Effect: 'Allow', Action: 's3:ListBucket', Resource: bucket }],
      },
    },
  });
  return {
    OtherCloudsInputsPolicy: policy('inputs', SENDING_FUNCTIONS, [
      { Effect: 'Allow', Action: 's3:GetObject', Resource: blobs('inputs', 'checkpoints') },
      { Effect: 'Allow', Action: 's3:PutObject', Resource: blobs('checkpoints') },
    ]),
    // A large result is carried home before anybody is given its address; reading is what the function may do anyway.
    OtherCloudsResultsPolicy: policy(
      'results',
      ['query'],
      [{ Effect: 'Allow', Action: 's3:PutObject', Resource: blobs('results') }],
    ),
  };
}

function identityPolicy(audiences: readonly string[], stage: string): CloudFormationResource {
  return {
    Type: 'AWS::IAM::Policy',
    Properties: {
      PolicyName: `shoal-other-clouds-${stage}`,
      Roles: REACHING_FUNCTIONS.map((name) => ({ Ref: functionRoleLogicalId(name) })),
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'sts:GetWebIdentityToken',
            Resource: '*', // STS knows none: the condition narrows it
            Condition: {
              // A request may name several audiences: each must be one of these, and there must be one.
              'ForAllValues:StringEquals': { 'sts:IdentityTokenAudience': audiences },
              Null: { 'sts:IdentityTokenAudience': 'false' },
              NumericLessThanEquals: { 'sts:DurationSeconds': 300 },
            },
          },
        ],
      },
    },
  };
}

const gcpBridgeRole = (gcp: GcpCloud, stage: string): CloudFormationResource =>
  bridgeRole(bridgeRoleName('gcp', stage), GOOGLE_ISSUER, gcpBridgeClaims(gcp, stage));

function azureResources(azure: AzureCloud, stage: string): CloudFormationResources {
  const { bridgeAudience, awsOidcProviderArn } = azure;
  const provider = {
    Type: 'AWS::IAM::OIDCProvider',
    Properties: { Url: `https://${azureIssuer(azure)}`, ClientIdList: [bridgeAudience] },
  };
  return {
    ...(awsOidcProviderArn === undefined && { AzureTenantProvider: provider }),
    AzureBridgeRole: bridgeRole(
      bridgeRoleName('azure', stage),
      awsOidcProviderArn ?? { 'Fn::GetAtt': ['AzureTenantProvider', 'Arn'] },
      azureBridgeClaims(azure),
    ),
  };
}

function bridgeRole(name: string, provider: unknown, pinned: PinnedClaims): CloudFormationResource {
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      RoleName: name,
      Description: 'Sends the reports and dead letters of another cloud to the queues of this stage.',
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Federated: provider },
            Action: 'sts:AssumeRoleWithWebIdentity',
            Condition: { StringEquals: pinned },
          },
        ],
      },
      Policies: [
        {
          PolicyName: 'bridge',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Action: 'sqs:SendMessage',
                Resource: ['StatusQueue', 'DeadLetterQueue'].map((queue) => ({ 'Fn::GetAtt': [queue, 'Arn'] })),
              },
            ],
          },
        },
      ],
    },
  };
}
