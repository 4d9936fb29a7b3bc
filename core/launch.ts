/** Asking a provider for machines, and what comes of it. */
import type { Choice } from './choose-instances.ts';

export interface LaunchRequest {
  readonly fleet: string;
  /** Client token and tag: asking twice with one intent launches once. */
  readonly intentId: string;
  readonly count: number;
  /** What the machine needs to know, as environment of its bootstrap. */
  readonly environment: Readonly<Record<string, string>>;
  /** What may be rented, best first; of those, only the ones of the first one's market are. Only who rents needs it. */
  readonly choices?: readonly Choice[];
  /** When the machines' lifetime ends, for a provider that can hold them to it. */
  readonly expiresAt?: string;
}

export interface LaunchedInstance {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly hourlyPriceUsd: number;
  readonly launchedAt: string;
  /** How many tasks it runs at a time, where that follows from what was rented. */
  readonly slots?: number;
}

export const LAUNCH_ERROR_KINDS = ['throttled', 'out-of-capacity', 'quota', 'configuration', 'unknown'] as const;
export type LaunchErrorKind = (typeof LAUNCH_ERROR_KINDS)[number];

export interface LaunchError {
  readonly code: string;
  readonly kind: LaunchErrorKind;
  /** In words for people, with what they can do about it. */
  readonly message: string;
  /** Whether another try may succeed with nobody doing anything. */
  readonly retryable: boolean;
  /** The pools (`poolOf`) that it was said of: there is no use in asking them again soon. */
  readonly pools: readonly string[];
}

/** Fewer machines than asked for is an answer, not an exception. */
export interface LaunchOutcome {
  readonly launched: readonly LaunchedInstance[];
  readonly errors: readonly LaunchError[];
}
