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

/** What a fleet's machines cost that ended on one day (UTC), idle time and boots included. */
export const fleetDaySchema = z.object({
  /** `2026-11-22` */
  day: z.iso.date(),
  machines: z.int().nonnegative(),
  machineSeconds: z.number().nonnegative(),
  costUsd: z.number().nonnegative(),
});
export type FleetDay = z.infer<typeof fleetDaySchema>;

/** What one machine adds to the day on which it ended. */
export function dayOf(machine: Pick<Instance, 'requestedAt' | 'hourlyPriceUsd'>, endedAt: string): FleetDay {
  const machineSeconds = Math.max(0, Date.parse(endedAt) - Date.parse(machine.requestedAt)) / 1_000;
  const costUsd = Math.round((machineSeconds / 3_600) * machine.hourlyPriceUsd * 1e9) / 1e9;
  return { day: endedAt.slice(0, 10), machines: 1, machineSeconds, costUsd };
}

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

/** As long as one of them works, the work gets on. */
export const isAnyReady = (machines: readonly Pick<Instance, 'state'>[]): boolean =>
  machines.some(({ state }) => state === 'READY');

/** Launched, but not heard of yet. */
export const isBooting = (state: InstanceState): boolean => state === 'REQUESTED' || state === 'BOOTING';

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

/** What a machine says when it ends because its queues stayed empty. */
export const ENDED_IDLE = 'idle';
