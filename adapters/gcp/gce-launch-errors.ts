/**
 * What Compute Engine's refusals mean for a launch: reasons of a refused request ("Troubleshooting bulk VM creation"), codes
 * of an operation that failed ("Troubleshooting resource availability"). One that is not known here may go away by itself.
 */
import type { LaunchError, LaunchErrorKind } from '../../core/launch.ts';

/** There is none of it there now: another type or market may have some. */
const OUT_OF_CAPACITY = new Set([
  'insufficientCapacity',
  'VM_MIN_COUNT_NOT_REACHED',
  'RESOURCE_POOL_EXHAUSTED',
  'STOCKOUT',
]);
const OUT_OF_CAPACITY_FAMILY = /^(?:(?:ZONE|REGION)_RESOURCE_POOL|IP_SPACE)_EXHAUSTED/;
const THROTTLED = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'RATE_LIMIT_EXCEEDED', 'RESOURCE_EXHAUSTED']);
/** Of the project: more of the same will not be had before somebody raises it, or something ends. */
const QUOTA = new Set(['quotaExceeded', 'QUOTA_EXCEEDED', 'LIMIT_EXCEEDED']);
const CONFIGURATION = new Set([
  'accessNotConfigured',
  'authError',
  'badRequest',
  'conditionNotMet',
  'forbidden',
  'invalid',
  'notFound',
  'required',
  'CONDITION_NOT_MET',
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
  'PERMISSIONS_ERROR',
  'RESOURCE_NOT_FOUND',
  'UNAUTHENTICATED',
  'UNSUPPORTED_OPERATION',
]);
const CONFIGURATION_FAMILY = /^(?:invalid[A-Z]|INVALID_|HTTP 40[0134]$)/;

export function classifyLaunchError(code: string): LaunchErrorKind {
  if (THROTTLED.has(code) || code === 'HTTP 429') return 'throttled';
  if (QUOTA.has(code)) return 'quota';
  if (OUT_OF_CAPACITY.has(code) || OUT_OF_CAPACITY_FAMILY.test(code)) return 'out-of-capacity';
  if (CONFIGURATION.has(code) || CONFIGURATION_FAMILY.test(code)) return 'configuration';
  return 'unknown';
}

/** An error of the launch, of the pools that it was said of. */
export function launchError(code: string, message: string, pools: readonly string[]): LaunchError {
  const kind = classifyLaunchError(code);
  const text = [`${code}: ${message}`, launchAdvice(code, kind)].filter(Boolean).join(' — ');
  return { code, kind, message: text, retryable: kind !== 'configuration', pools };
}

/** What a person can do about it, where Google's own words do not say. */
function launchAdvice(code: string, kind: LaunchErrorKind): string | null {
  if (kind === 'quota') {
    return "the project's quota in this region is used up (spot machines have quotas of their own): ask for more at IAM & Admin, Quotas";
  }
  switch (code) {
    case 'accessNotConfigured':
      return 'enable the Compute Engine API in this project: gcp/README.md';
    case 'forbidden':
    case 'PERMISSION_DENIED':
    case 'PERMISSIONS_ERROR':
      return 'the control service account may not launch, or not launch as the worker service account: apply gcp/ again';
    case 'authError':
    case 'UNAUTHENTICATED':
      return "Google does not take the control plane's token: look at the workload identity provider in fleets.yml";
    case 'notFound':
    case 'RESOURCE_NOT_FOUND':
      return 'what fleets.yml names (project, region, subnetwork, image, service account) is not all there: apply gcp/ again';
    case 'IP_SPACE_EXHAUSTED':
    case 'IP_SPACE_EXHAUSTED_WITH_DETAILS':
      return 'the subnetwork has no address left: give it a larger range';
    default:
      return null;
  }
}
