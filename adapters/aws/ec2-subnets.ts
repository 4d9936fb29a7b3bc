/** The subnets that machines are launched into, with the zone of each: asked for once, for they are part of the deployment. */
import { DescribeSubnetsCommand, type EC2Client } from '@aws-sdk/client-ec2';
import { PermanentError } from '../../core/errors.ts';
import type { Subnet } from './ec2-fleet-request.ts';

/** @throws PermanentError when there are none */
export async function readSubnets(client: EC2Client, subnetIds: readonly string[]): Promise<readonly Subnet[]> {
  if (subnetIds.length === 0) throw new PermanentError('no subnet is named to launch machines into');
  const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({ SubnetIds: [...subnetIds] }));
  return Subnets.flatMap(({ SubnetId, AvailabilityZone }) =>
    SubnetId && AvailabilityZone ? [{ subnetId: SubnetId, zone: AvailabilityZone }] : [],
  );
}
