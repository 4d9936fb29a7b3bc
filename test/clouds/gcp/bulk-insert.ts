/** A bulk insert as Compute Engine reads it: what it would refuse is refused ("BulkInsertInstanceResource"). */
import { z } from 'zod';
import { invalid } from './google-refusal.ts';

const diskSchema = z.strictObject({
  boot: z.literal(true),
  autoDelete: z.boolean(),
  initializeParams: z.strictObject({
    sourceImage: z.string().startsWith('projects/'),
    diskSizeGb: z.string().regex(/^\d+$/),
    diskType: z.enum(['pd-balanced', 'hyperdisk-balanced']),
  }),
});

const bulkInsertSchema = z.strictObject({
  count: z.string().regex(/^[1-9]\d*$/),
  minCount: z.string().regex(/^\d+$/),
  namePattern: z.string().regex(/^[a-z]([-a-z0-9]*[a-z0-9])?-#{1,18}$/),
  locationPolicy: z.strictObject({ targetShape: z.enum(['ANY', 'ANY_SINGLE_ZONE', 'BALANCED']) }),
  instanceFlexibilityPolicy: z.strictObject({
    instanceSelections: z.record(
      z.string().regex(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/),
      z.strictObject({
        rank: z.int().nonnegative(),
        machineTypes: z.array(z.string().regex(/^[a-z0-9-]+$/)).min(1),
        disks: z.array(diskSchema).min(1),
      }),
    ),
  }),
  instanceProperties: z.strictObject({
    labels: z.record(z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/), z.string().regex(/^[a-z0-9_-]{0,63}$/)),
    scheduling: z.strictObject({
      provisioningModel: z.enum(['SPOT', 'STANDARD']),
      automaticRestart: z.boolean(),
      onHostMaintenance: z.enum(['MIGRATE', 'TERMINATE']),
      instanceTerminationAction: z.enum(['DELETE', 'STOP']).optional(),
      maxRunDuration: z.strictObject({ seconds: z.string().regex(/^\d+$/) }).optional(),
    }),
    networkInterfaces: z
      .array(
        z.strictObject({
          subnetwork: z.string().regex(/^projects\/[^/]+\/regions\/[^/]+\/subnetworks\/[^/]+$/),
          accessConfigs: z.array(z.strictObject({ name: z.string(), type: z.literal('ONE_TO_ONE_NAT') })),
        }),
      )
      .length(1),
    serviceAccounts: z.array(z.strictObject({ email: z.email(), scopes: z.array(z.url()).min(1) })).length(1),
    metadata: z.strictObject({ items: z.array(z.strictObject({ key: z.string(), value: z.string().max(262_144) })) }),
    shieldedInstanceConfig: z.strictObject({
      enableSecureBoot: z.boolean(),
      enableVtpm: z.boolean(),
      enableIntegrityMonitoring: z.boolean(),
    }),
  }),
});
export type BulkInsert = z.infer<typeof bulkInsertSchema>;

const LONGEST_RUN_SECONDS = 120 * 86_400;

export function readBulkInsert(body: unknown): BulkInsert {
  const parsed = bulkInsertSchema.safeParse(body);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const { scheduling } = parsed.data.instanceProperties;
  const spot = scheduling.provisioningModel === 'SPOT';
  // "Create and use Spot VMs": no live migration, no automatic restart.
  if (spot && (scheduling.automaticRestart || scheduling.onHostMaintenance !== 'TERMINATE')) {
    throw invalid("Invalid value for field 'resource.scheduling': Scheduling must have preemptible behaviour.");
  }
  // "Limit the run time of a VM": 30 seconds to 120 days, and what is to become of it then.
  if (scheduling.maxRunDuration) {
    const seconds = Number(scheduling.maxRunDuration.seconds);
    if (seconds < 30 || seconds > LONGEST_RUN_SECONDS) throw invalid('maxRunDuration must be 30 seconds to 120 days');
    if (!scheduling.instanceTerminationAction) throw invalid('maxRunDuration needs an instanceTerminationAction');
  }
  if (!spot && scheduling.instanceTerminationAction && !scheduling.maxRunDuration) {
    throw invalid('instanceTerminationAction needs Spot, or a limit of the run time');
  }
  return parsed.data;
}

/** Types in the order in which they are tried: "it prioritizes selections with a lower rank". */
export const typesByRank = ({ instanceFlexibilityPolicy }: BulkInsert): string[] =>
  Object.values(instanceFlexibilityPolicy.instanceSelections)
    .sort((a, b) => a.rank - b.rank)
    .flatMap(({ machineTypes }) => machineTypes);
