/** The items of a fleet's partition. */
import { z } from 'zod';
import { fleetTroubleSchema } from '../../core/fleet-trouble.ts';
import { type Instance, instanceSchema, launchIntentSchema } from '../../core/instance.ts';
import type { BootRecord } from '../../core/launch-breaker.ts';
import type { InstanceChange } from '../../core/ports.ts';
import { suspectSchema } from '../../core/reconcile-instances.ts';
import { stockOutSchema } from '../../core/stock-outs.ts';

/** Ended machines are kept for a week, to be looked at. */
const KEPT_SECONDS = 7 * 86_400;

const planSchema = z.object({
  at: z.string(),
  wanted: z.number(),
  launch: z.number(),
  terminate: z.array(z.object({ instanceId: z.string(), reason: z.string() })),
  reasons: z.array(z.string()),
});

export const fleetStateSchema = z.object({
  intents: z.array(launchIntentSchema),
  lastPlan: planSchema.nullable(),
  suspects: z.array(suspectSchema).optional(),
  stockOuts: z.array(stockOutSchema).optional(),
  trouble: fleetTroubleSchema.nullish(),
  version: z.int(),
});

export const bootRecordSchema = z.object({
  failedInARow: z.int().nonnegative().default(0),
  lastFailure: z.object({ instanceId: z.string(), reason: z.string(), at: z.string() }).nullable().default(null),
}) satisfies z.ZodType<BootRecord>;

export function instanceFromItem(item: Record<string, unknown>): Instance {
  const [, instanceId] = String(item['item']).split('#');
  return instanceSchema.parse({ ...item, instanceId });
}

/** A machine that reports before (or without) a recorded launch; the launch fills in the rest. */
export function unrecordedItem(change: InstanceChange): Omit<Instance, 'fleet' | 'instanceId'> {
  const expiresAt = change.expiresAt ?? new Date(Date.parse(change.at) + KEPT_SECONDS * 1_000).toISOString();
  return {
    provider: 'unknown',
    state: change.state,
    stateReason: change.reason,
    intentId: null,
    instanceType: 'unknown',
    slots: change.slots ?? 1,
    hourlyPriceUsd: 0,
    requestedAt: change.at,
    readyAt: change.state === 'READY' ? change.at : null,
    endedAt: null,
    // Only a recorded launch says by when it should be ready: until then only its lifetime ends it.
    readyDeadlineAt: expiresAt,
    expiresAt,
  };
}

export const endedItem = (before: Instance, change: InstanceChange) => ({
  ...before,
  state: change.state,
  stateReason: change.reason,
  endedAt: change.at,
  expiresAtSeconds: Math.ceil(Date.parse(change.at) / 1_000) + KEPT_SECONDS,
});
