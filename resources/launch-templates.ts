/**
 * What the machines of each fleet boot with: a launch template a fleet, generated from `fleets.yml`.
 *
 * Everything that a machine needs to know is known when the stack is deployed, so it is part of the stack: nobody needs the
 * right to make templates while tasks run, and a removed stack leaves none. What differs from launch to launch (type, zone,
 * image, disk, market, tags) is in the fleet request (adapters/aws/ec2-fleet-request.ts).
 */
import { DISK, launchTemplateName, ROOT_DEVICE, TAGS } from '../adapters/aws/ec2-fleet-request.ts';
import { ROOT_DISK_GIB } from '../adapters/catalogue/catalogue-offer-source.ts';
import type { Fleet } from '../core/fleet.ts';
import { machineEnvironment, READY_DEADLINE_SECONDS } from '../core/machine-environment.ts';
import { renderUserData } from '../worker-bootstrap/user-data.ts';
import type { CloudFormationResource, CloudFormationResources } from './cloudformation.ts';
import { fleetLogicalName } from './task-queues.ts';

/** SHA-256 of what machines run, in hex. */
export interface ArtifactHashes {
  readonly agent: string;
  readonly bootstrap: string;
}

export function launchTemplateResources(
  fleets: readonly Fleet[],
  stage: string,
  artifacts: ArtifactHashes,
): CloudFormationResources {
  return Object.fromEntries(
    fleets
      .filter((fleet) => fleet.provider === 'aws')
      .map((fleet) => [`LaunchTemplate${fleetLogicalName(fleet.name)}`, launchTemplate(fleet, stage, artifacts)]),
  );
}

function launchTemplate(fleet: Fleet, stage: string, artifacts: ArtifactHashes): CloudFormationResource {
  const tags = { [TAGS.stage]: stage, [TAGS.fleet]: fleet.name };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return {
    Type: 'AWS::EC2::LaunchTemplate',
    Properties: {
      LaunchTemplateName: launchTemplateName(stage, fleet.name),
      LaunchTemplateData: {
        IamInstanceProfile: { Arn: { 'Fn::GetAtt': ['WorkerInstanceProfile', 'Arn'] } },
        SecurityGroupIds: [{ Ref: 'WorkerSecurityGroup' }],
        // A machine that switches itself off is gone, and with it what it costs.
        InstanceInitiatedShutdownBehavior: 'terminate',
        // Tokens only, and none that would reach a container of a task.
        MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
        BlockDeviceMappings: [
          { DeviceName: ROOT_DEVICE, Ebs: { ...DISK, VolumeSize: ROOT_DISK_GIB + Math.ceil(fleet.slot.diskGiB) } },
        ],
        Monitoring: { Enabled: false },
        TagSpecifications: [{ ResourceType: 'volume', Tags }],
        UserData: { 'Fn::Base64': userData(fleet, stage, artifacts) },
      },
      // Who may launch with it is decided by this tag.
      TagSpecifications: [{ ResourceType: 'launch-template', Tags }],
    },
  };
}

/** Stands for a reference of CloudFormation's while the script is made. */
const reference = (name: string): string => `<<${name}>>`;
const REFERENCE = /<<([^>]+)>>/;

function userData(fleet: Fleet, stage: string, artifacts: ArtifactHashes): unknown {
  const bucket = reference('DataBucket');
  const [region, suffix, account] = ['AWS::Region', 'AWS::URLSuffix', 'AWS::AccountId'].map(reference);
  const environment = machineEnvironment(fleet, {
    stage,
    region: region ?? '',
    bucket,
    queueUrlPrefix: `https://sqs.${region}.${suffix}/${account}/`,
    statusQueueUrl: reference('StatusQueue'),
    agentUrl: `s3://${bucket}/artifacts/${artifacts.agent}/agent.mjs`,
    agentSha256: artifacts.agent,
    readyDeadlineSeconds: READY_DEADLINE_SECONDS,
  });
  const url = `s3://${bucket}/artifacts/${artifacts.bootstrap}/bootstrap.sh`;
  const script = renderUserData({ url, sha256: artifacts.bootstrap, environment });
  // Text and names of references take turns.
  const parts = script.split(REFERENCE).map((part, index) => (index % 2 === 0 ? part : { Ref: part }));
  return { 'Fn::Join': ['', parts] };
}
