/**
 * Whether a failed attempt gets another one, and when: the one place where that is decided for a charged failure.
 * What was given back uncharged is sent again by `apply-status.ts`, within `MAX_UNCHARGED_ATTEMPTS`.
 */
import type { RetryPolicy } from './job-submission.ts';
import type { Failure } from './task.ts';

/** Interruptions and lost machines are not charged, but even those end some day. */
export const MAX_UNCHARGED_ATTEMPTS = 20;
/** A task that lost so many leases in one attempt kills its machines: no other explanation is left. */
export const POISON_LOSSES = 4;
/** The longest backoff. One hop through the delayed queue is shorter: longer ones take several. */
export const MAX_BACKOFF_SECONDS = 3_600;

export type RetryDecision = { readonly retry: true; readonly delaySeconds: number } | { readonly retry: false };

/** Whether this kind of failure may pass by itself, by the job's policy. */
export function isTemporary(failure: Failure, policy: RetryPolicy): boolean {
  switch (failure.code) {
    case 'exit':
      return failure.exitCode !== undefined && policy.retryOnExitCodes.includes(failure.exitCode);
    case 'timeout':
      return policy.retryOnTimeout;
    case 'signal':
    case 'input-unavailable':
      return true;
    case 'reported':
      return failure.retry ?? false;
    case 'command-not-found':
    case 'command-not-executable':
    case 'result-invalid':
    case 'result-too-large':
    case 'released-too-often':
    case 'poison':
      return false;
  }
}

/**
 * Exponential backoff with full jitter: a delay drawn evenly from zero to `backoffSeconds × 2^(n−1)`.
 * @param chargedAttempts charged attempts so far, this one included
 * @param random a number in [0, 1)
 * @see "Exponential Backoff And Jitter", AWS Architecture Blog
 */
export function backoffDelaySeconds(policy: RetryPolicy, chargedAttempts: number, random: number): number {
  const ceiling = Math.min(MAX_BACKOFF_SECONDS, policy.backoffSeconds * 2 ** (chargedAttempts - 1));
  return Math.floor(random * (ceiling + 1));
}

/** Decides on a charged failure: `chargedAttempts` includes the attempt that just failed. */
export function decideRetry(
  failure: Failure,
  policy: RetryPolicy,
  chargedAttempts: number,
  random: number,
): RetryDecision {
  if (!isTemporary(failure, policy) || chargedAttempts >= policy.maxAttempts) return { retry: false };
  return { retry: true, delaySeconds: backoffDelaySeconds(policy, chargedAttempts, random) };
}
