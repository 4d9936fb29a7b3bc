/**
 * What Compute Engine says of our machines, found by their labels: one call for each 500 of them, whatever their fleets.
 * A machine that was taken back is deleted and no longer listed, but the operation that took it is: "preempted" is worth
 * knowing, for it is nobody's fault.
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { LABELS, labelOf } from './gce-bulk-request.ts';
import { fleetOfName, instanceIdOf, instanceOfLink, nameOfLink } from './gce-instance-id.ts';
import { listOperations, type Operation } from './gce-operations.ts';
import { computeUrl } from './gce-url.ts';
import type { GoogleRest } from './google-rest.ts';

const instanceSchema = z.object({
  name: z.string(),
  zone: z.string(),
  status: z.string(),
  statusMessage: z.string().optional(),
  machineType: z.string().optional(),
  creationTimestamp: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
});
export type ListedInstance = z.infer<typeof instanceSchema>;

const pageSchema = z.object({
  items: z.record(z.string(), z.object({ instances: z.array(instanceSchema).optional() })).default({}),
  nextPageToken: z.string().optional(),
});

/** Without their metadata, which holds the script of each. */
const FIELDS = 'nextPageToken,items/*/instances(name,zone,status,statusMessage,machineType,creationTimestamp,labels)';
/** "VM instance life cycle". */
const RUNNING = new Set(['PENDING', 'PROVISIONING', 'STAGING', 'RUNNING', 'REPAIRING']);
/** A guest that switches itself off only stops its machine. */
const STOPPED = new Set(['STOPPING', 'PENDING_STOP', 'TERMINATED', 'STOPPED', 'SUSPENDING', 'SUSPENDED']);
const PREEMPTED = 'compute.instances.preempted';
/** Who was taken back longer ago is known to be gone. */
const REMEMBERED_MS = 3_600_000;

export interface ListOptions {
  readonly rest: GoogleRest;
  readonly cloud: GcpCloud;
  readonly stage: string;
  readonly now: () => Date;
}

/**
 * Machines of this stage whose label has one of these values; any, where none is named. Each expression stands in
 * parentheses, and what is joined by OR goes before AND ("instances.aggregatedList", filter).
 */
export async function listLabelled(
  { rest, cloud, stage }: Omit<ListOptions, 'now'>,
  label: string,
  values: readonly string[],
): Promise<ListedInstance[]> {
  const wanted = values.map(labelOf);
  const ofStage = `(labels.${LABELS.stage} = "${labelOf(stage)}")`;
  const ofValues = wanted.map((value) => `(labels.${label} = "${value}")`).join(' OR ');
  const filter = ofValues === '' ? ofStage : `${ofValues} AND ${ofStage}`;
  // Should a filter one day mean something else: whoever is listed may be ended.
  const isMeant = ({ labels }: ListedInstance): boolean =>
    labels[LABELS.stage] === labelOf(stage) && (wanted.length === 0 || wanted.includes(labels[label] ?? ''));
  const listed: ListedInstance[] = [];
  let pageToken: string | undefined;
  do {
    // No partial success: machines of a zone that does not answer would count as gone.
    const page = await rest.demand({
      url: computeUrl(cloud, 'aggregated/instances'),
      query: { filter, maxResults: '500', fields: FIELDS, pageToken },
      answer: pageSchema,
    });
    listed.push(...Object.values(page.items).flatMap(({ instances = [] }) => instances.filter(isMeant)));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return listed;
}

export async function listInstances(
  options: ListOptions,
  fleets: readonly string[],
): Promise<readonly ObservedInstance[]> {
  const [listed, preemptions] = await Promise.all([
    listLabelled(options, LABELS.fleet, fleets),
    // Worth knowing, not worth failing for.
    listOperations(options.rest, options.cloud, {
      filter: `operationType = "${PREEMPTED}"`,
      newestFirst: true,
      pages: 1,
    }).catch(() => []),
  ]);
  const taken = takenBack(preemptions, options);
  const present = listed.flatMap((instance) => observed(instance, taken));
  const seen = new Set(present.map((each) => each.instanceId));
  const gone = [...taken].flatMap(([instanceId, { fleet, at }]): ObservedInstance[] =>
    seen.has(instanceId) || (fleets.length > 0 && !fleets.includes(fleet))
      ? []
      : [{ instanceId, fleet, intentId: null, running: false, launchedAt: at, ...TAKEN_BACK }],
  );
  return [...present, ...gone];
}

const TAKEN_BACK = { endReason: 'Compute Engine took it back (preempted)', interrupted: true } as const;

/** Machines of this stage that were taken back lately. */
function takenBack(operations: readonly Operation[], { stage, now }: ListOptions) {
  const taken = new Map<string, { readonly fleet: string; readonly at: string }>();
  for (const { targetLink = '', insertTime } of operations) {
    const instance = instanceOfLink(targetLink);
    const fleet = instance && fleetOfName(instance.name, stage);
    const at = Date.parse(insertTime ?? '');
    if (instance && fleet && now().getTime() - at < REMEMBERED_MS) {
      taken.set(instanceIdOf(instance), { fleet, at: new Date(at).toISOString() });
    }
  }
  return taken;
}

function observed(instance: ListedInstance, taken: ReadonlyMap<string, unknown>): ObservedInstance[] {
  const { name, zone, status, statusMessage, machineType, creationTimestamp, labels } = instance;
  const fleet = labels[LABELS.fleet];
  if (fleet === undefined) return [];
  const instanceId = instanceIdOf({ zone: nameOfLink(zone), name });
  const running = RUNNING.has(status);
  const expires = Number(labels[LABELS.expiresAt]);
  const reason = running ? undefined : statusMessage;
  return [
    {
      instanceId,
      fleet,
      intentId: labels[LABELS.intent] ?? null,
      running,
      launchedAt: new Date(creationTimestamp).toISOString(),
      ...(machineType ? { instanceType: nameOfLink(machineType) } : {}),
      ...(expires > 0 ? { expiresAt: new Date(expires * 1_000).toISOString() } : {}),
      ...(STOPPED.has(status) ? { stopped: true } : {}),
      ...(reason ? { endReason: reason } : {}),
      ...(running ? {} : { interrupted: false }),
      ...(!running && taken.has(instanceId) ? TAKEN_BACK : {}),
    },
  ];
}
