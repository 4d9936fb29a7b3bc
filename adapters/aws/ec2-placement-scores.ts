/**
 * How likely a spot launch is to succeed in each zone, 10 being best ("GetSpotPlacementScores"). The score is of a whole
 * request, not of a type, and an account may ask for few different ones a day: it is always the same one.
 */
import { DescribeAvailabilityZonesCommand, type EC2Client, GetSpotPlacementScoresCommand } from '@aws-sdk/client-ec2';

/** Common sizes of both architectures, as a flexible request would name them. */
const ASKED_FOR = {
  InstanceTypes: [
    'c6g.large',
    'c7g.large',
    'c7g.xlarge',
    'm7g.large',
    'c6i.large',
    'c7i.large',
    'c7i.xlarge',
    'm7i.large',
  ],
  TargetCapacity: 50,
};

/** @returns scores by the name of the zone */
export async function readPlacementScores(client: EC2Client, region: string): Promise<ReadonlyMap<string, number>> {
  const [zones, scores] = await Promise.all([
    client.send(new DescribeAvailabilityZonesCommand({})),
    client.send(
      new GetSpotPlacementScoresCommand({ ...ASKED_FOR, RegionNames: [region], SingleAvailabilityZone: true }),
    ),
  ]);
  // Scores name zones by their ids, which are the same for every account; launches name them by name, which are not.
  const nameOf = new Map((zones.AvailabilityZones ?? []).map(({ ZoneId, ZoneName }) => [ZoneId, ZoneName]));
  return new Map(
    (scores.SpotPlacementScores ?? []).flatMap(({ AvailabilityZoneId, Score }) => {
      const name = nameOf.get(AvailabilityZoneId);
      return name && Score ? [[name, Score] as const] : [];
    }),
  );
}
