/**
 * What EC2's error codes mean for a launch. The codes are those of "Error codes for the Amazon EC2 API"; a code that is not
 * known here may go away by itself, and is tried again.
 */
import type { LaunchErrorKind } from '../../core/launch.ts';

const THROTTLED = new Set(['RequestLimitExceeded', 'RequestThrottled', 'Throttling', 'ThrottlingException']);

/** There is none of it there now: another type, zone or market may have some. */
const OUT_OF_CAPACITY = new Set([
  'InsufficientInstanceCapacity',
  'InsufficientHostCapacity',
  'InsufficientCapacity',
  'UnfulfillableCapacity',
  'SpotMaxPriceTooLow',
  'InsufficientFreeAddressesInSubnet',
  // "The instance type is not supported in the requested Availability Zone": that pool has none, ever.
  'Unsupported',
]);

/** Of the account: more of the same will not be had before somebody raises it, or something ends. */
const QUOTA = new Set([
  'MaxSpotInstanceCountExceeded',
  'MaxSpotFleetRequestCountExceeded',
  'VcpuLimitExceeded',
  'InstanceLimitExceeded',
  'VolumeLimitExceeded',
  'MaxIOPSLimitExceeded',
]);

const CONFIGURATION = new Set([
  'UnauthorizedOperation',
  'AccessDenied',
  'AccessDeniedException',
  'OptInRequired',
  'PendingVerification',
  'Blocked',
  'MissingParameter',
  'UnknownParameter',
  'IdempotentParameterMismatch',
  'VPCIdNotSpecified',
]);
const CONFIGURATION_FAMILY = /^(AuthFailure|Invalid[A-Z])/;

export function classifyLaunchError(code: string): LaunchErrorKind {
  if (THROTTLED.has(code)) return 'throttled';
  if (OUT_OF_CAPACITY.has(code)) return 'out-of-capacity';
  if (QUOTA.has(code)) return 'quota';
  if (CONFIGURATION.has(code) || CONFIGURATION_FAMILY.test(code)) return 'configuration';
  return 'unknown';
}

/** What a person can do about it, where AWS's own words do not say. */
export function launchAdvice(code: string): string | null {
  switch (code) {
    case 'AuthFailure.ServiceLinkedRoleCreationNotPermitted':
      return 'EC2 needs its role for spot instances, once an account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com';
    case 'MaxSpotInstanceCountExceeded':
      return 'the account\'s quota "All Standard Spot Instance Requests" (in vCPUs) is used up: ask for more in Service Quotas';
    case 'VcpuLimitExceeded':
      return 'the account\'s quota "Running On-Demand Standard instances" (in vCPUs) is used up: ask for more in Service Quotas';
    case 'InsufficientFreeAddressesInSubnet':
      return 'the subnet has no address left: name larger subnets, or more of them';
    case 'PendingVerification':
      return 'AWS is still verifying the account; this takes minutes, at most hours';
    case 'InvalidLaunchTemplateName.NotFoundException':
      return "the fleet's launch template is not there: deploy the stack again";
    default:
      return null;
  }
}
