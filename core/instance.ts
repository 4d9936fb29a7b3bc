/** One machine: `REQUESTED → BOOTING → READY → DRAINING → TERMINATED │ INTERRUPTED │ FAILED`. */
import { z } from 'zod';

export const INSTANCE_STATES = [
  'REQUESTED',
  'BOOTING',
  'READY',
  'DRAINING',
  'TERMINATED',
  'INTERRUPTED',
  'FAILED',
] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

export const instanceSchema = z.object({
  instanceId: z.string(),
  fleet: z.string(),
  provider: z.string(),
  state: z.enum(INSTANCE_STATES),
  /** Why it is in this state, when that is not obvious. */
  stateReason: z.string().nullable(),
  intentId: z.string().nullable(),
  instanceType: z.string(),
  slots: z.int().positive(),
  hourlyPriceUsd: z.number().nonnegative(),
  requestedAt: z.iso.datetime(),
  readyAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  /** By then the agent must have reported READY, or the machine is ended as one that never booted. */
  readyDeadlineAt: z.iso.datetime(),
  /** Its maximum lifetime, enforced by the machine itself and swept by the control plane. */
  expiresAt: z.iso.datetime(),
});
export type Instance = z.infer<typeof instanceSchema>;

/** The wish for `count` machines, written before anything is launched. It counts as machines until found or expired. */
export const launchIntentSchema = z.object({
  intentId: z.string(),
  count: z.int().positive(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type LaunchIntent = z.infer<typeof launchIntentSchema>;

const ENDED: ReadonlySet<InstanceState> = new Set(['TERMINATED', 'INTERRUPTED', 'FAILED']);
export const hasEnded = (state: InstanceState): boolean => ENDED.has(state);

const ORDER: Readonly<Record<InstanceState, number>> = {
  REQUESTED: 0,
  BOOTING: 1,
  READY: 2,
  DRAINING: 3,
  TERMINATED: 4,
  INTERRUPTED: 4,
  FAILED: 4,
};

/** Reports come out of order: a state is only ever left for a later one, and an end absorbs. */
export const mayBecome = (from: InstanceState, to: InstanceState): boolean => ORDER[to] > ORDER[from];
