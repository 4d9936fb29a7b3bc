/**
 * One launch as one `regionInstances.bulkInsert`: every wanted type, in any zone of the region, spot or standard. Pure.
 *
 * Types are grouped into selections by what their disk must be, and by how much more a task costs on them than on the best
 * one: Compute Engine takes the lower rank first and, within a rank, what it thinks is least likely to be taken back
 * ("About instance flexibility for VMs created in bulk").
 */
import type { Choice } from '../../core/choose-instances.ts';
import type { GcpCloud } from '../../core/clouds.ts';
import type { LaunchRequest } from '../../core/launch.ts';
import { namePattern } from './gce-instance-id.ts';
import { diskTypeOf } from './gce-machine-types.ts';

/** Prices within so much of each other share a rank: more pools, fewer interruptions. */
const RANK_STEP = 0.1;
/** A request stays small, and a type that far down the list is never the one that is taken. */
const MAX_TYPES = 60;
/** The least that Compute Engine takes as a limit of a machine's run ("Limit the run time of a VM"). */
const MIN_RUN_SECONDS = 30;

export interface BulkRequestOptions {
  readonly stage: string;
  readonly cloud: GcpCloud;
  readonly startupScript: string;
  readonly now: Date;
}

/** Underscores, because a filter takes them without quotes. */
export const LABELS = {
  stage: 'shoal_stage',
  fleet: 'shoal_fleet',
  intent: 'shoal_intent',
  /** When the machine's lifetime ends, in seconds since 1970: a label takes no colons. */
  expiresAt: 'shoal_expires',
} as const;

/** Labels take lower-case letters, digits, `_` and `-` ("Requirements for labels"). */
export const labelOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-')
    .slice(0, 63);

/** Of the market of the best one: a request is spot or standard as a whole. */
export const usableChoices = (choices: readonly Choice[]): readonly Choice[] =>
  choices.filter(({ offer }) => offer.market === choices[0]?.offer.market).slice(0, MAX_TYPES);

export function bulkRequest(request: LaunchRequest, choices: readonly Choice[], options: BulkRequestOptions) {
  const { stage, cloud } = options;
  return {
    count: String(request.count),
    // Fewer than asked for is an answer: what is missing is asked for again.
    minCount: '1',
    namePattern: namePattern(stage, request.fleet, request.intentId),
    locationPolicy: { targetShape: 'ANY' },
    instanceFlexibilityPolicy: { instanceSelections: selectionsOf(choices, cloud) },
    instanceProperties: {
      labels: labelsOf(request, stage),
      scheduling: schedulingOf(request, choices, options.now),
      networkInterfaces: [
        {
          subnetwork: `projects/${cloud.project}/regions/${cloud.region}/subnetworks/${cloud.subnetwork}`,
          // The way out: the network lets nothing in.
          accessConfigs: [{ name: 'external', type: 'ONE_TO_ONE_NAT' }],
        },
      ],
      serviceAccounts: [
        { email: cloud.workerServiceAccount, scopes: ['https://www.googleapis.com/auth/cloud-platform'] },
      ],
      metadata: {
        items: [
          { key: 'startup-script', value: options.startupScript },
          { key: 'block-project-ssh-keys', value: 'true' },
          { key: 'serial-port-enable', value: 'false' },
        ],
      },
      shieldedInstanceConfig: {
        // Not every Arm machine boots with it, and all selections have it in common.
        enableSecureBoot: choices.every(({ offer }) => offer.architecture === 'x86_64'),
        enableVtpm: true,
        enableIntegrityMonitoring: true,
      },
    },
  };
}

function labelsOf(request: LaunchRequest, stage: string): Record<string, string> {
  return {
    [LABELS.stage]: labelOf(stage),
    [LABELS.fleet]: labelOf(request.fleet),
    [LABELS.intent]: labelOf(request.intentId),
    ...(request.expiresAt ? { [LABELS.expiresAt]: String(Math.ceil(Date.parse(request.expiresAt) / 1_000)) } : {}),
  };
}

/** Whatever becomes of all else, Compute Engine itself deletes the machine at the end of its lifetime. */
function schedulingOf({ expiresAt }: LaunchRequest, choices: readonly Choice[], now: Date) {
  const spot = choices[0]?.offer.market === 'spot';
  const moves = !spot && choices.every(({ offer }) => offer.gpus === null);
  const seconds = expiresAt ? Math.max(MIN_RUN_SECONDS, Math.ceil((Date.parse(expiresAt) - now.getTime()) / 1_000)) : 0;
  return {
    provisioningModel: spot ? 'SPOT' : 'STANDARD',
    automaticRestart: false,
    onHostMaintenance: moves ? 'MIGRATE' : 'TERMINATE',
    ...(spot || seconds > 0 ? { instanceTerminationAction: 'DELETE' } : {}),
    ...(seconds > 0 ? { maxRunDuration: { seconds: String(seconds) } } : {}),
  };
}

function selectionsOf(choices: readonly Choice[], cloud: GcpCloud) {
  const best = choices[0]?.usdPerTask ?? 0;
  const rankOf = ({ usdPerTask }: Choice): number =>
    best > 0 ? Math.floor((usdPerTask / best - 1) / RANK_STEP) + 1 : 1;
  const groups = Map.groupBy(
    choices,
    (choice) =>
      `rank-${rankOf(choice)}-${choice.offer.architecture.replace('_', '-')}-${diskTypeOf(choice.offer.instanceType)}-${choice.diskGiB}`,
  );
  return Object.fromEntries(
    [...groups].map(([name, [first, ...others]]) => {
      const rank = first ? rankOf(first) : 1;
      const machineTypes = [...new Set([first, ...others].flatMap((each) => (each ? [each.offer.instanceType] : [])))];
      return [name, { rank, machineTypes, disks: first ? [diskOf(first, cloud)] : [] }];
    }),
  );
}

const diskOf = ({ offer, diskGiB }: Choice, cloud: GcpCloud) => ({
  boot: true,
  autoDelete: true,
  initializeParams: {
    sourceImage: cloud.images[offer.architecture],
    diskSizeGb: String(diskGiB),
    diskType: diskTypeOf(offer.instanceType),
  },
});
