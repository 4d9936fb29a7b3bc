/**
 * What ARM's error codes mean for a launch ("Error messages for Azure Spot Virtual Machines and scale sets", "Troubleshoot
 * common Azure deployment errors"). A code that is not known here may go away by itself, and is tried again.
 */
import type { LaunchErrorKind } from '../../core/launch.ts';
import type { ArmFault } from './arm-client.ts';

const THROTTLED = new Set(['TooManyRequests', 'OperationThrottled', 'SubscriptionRequestsThrottled', 'Status429']);

/** There is none of it there now: another size, zone or market may have some. */
const OUT_OF_CAPACITY = new Set([
  'SkuNotAvailable',
  'AllocationFailed',
  'ZonalAllocationFailed',
  'OverconstrainedAllocationRequest',
  'OverconstrainedZonalAllocationRequest',
  'SpotPriceGreaterThanProvidedMaxPrice',
  // Of this size there is none as spot, ever.
  'AzureSpotIsNotSupportedForThisVMSize',
]);

/** Beside `OperationNotAllowed`, which says it of quotas and of much else. */
const QUOTA = new Set(['QuotaExceeded', 'PublicIPCountLimitReached', 'SubscriptionLimitReached']);

const CONFIGURATION = new Set([
  'AuthorizationFailed',
  'LinkedAuthorizationFailed',
  'LinkedAccessCheckFailed',
  'InvalidAuthenticationToken',
  'AuthenticationFailed',
  'AzureSpotFeatureNotEnabledForSubscription',
  'BadRequest',
  'ImageNotFound',
  'PlatformImageNotFound',
  'MarketplacePurchaseEligibilityFailed',
  'MissingSubscriptionRegistration',
  'NotFound',
  'ParentResourceNotFound',
  'PropertyChangeNotAllowed',
  'ReadOnlyDisabledSubscription',
  'RequestDisallowedByPolicy',
  'ResourceGroupNotFound',
  'ResourceNotFound',
  'SubscriptionNotFound',
  'VMSizeNotSupported',
]);
const CONFIGURATION_FAMILY = /^(Invalid|NoRegistered)[A-Z]/;

export function classifyLaunchError({ code, message }: ArmFault): LaunchErrorKind {
  if (THROTTLED.has(code)) return 'throttled';
  if (OUT_OF_CAPACITY.has(code)) return 'out-of-capacity';
  if (QUOTA.has(code) || isQuota(code, message)) return 'quota';
  if (CONFIGURATION.has(code) || CONFIGURATION_FAMILY.test(code)) return 'configuration';
  return 'unknown';
}

const isQuota = (code: string, message: string): boolean => code === 'OperationNotAllowed' && /quota/i.test(message);

/** Of all sizes: another one would be refused as well. */
export const isOfAllSizes = ({ message }: ArmFault): boolean =>
  /LowPriorityCores|Total Regional|\bcores Quota/i.test(message);

/** What a person can do about it, where Azure's own words do not say. */
export function launchAdvice(fault: ArmFault): string | null {
  switch (fault.code) {
    case 'OperationNotAllowed':
    case 'QuotaExceeded':
      return isQuota('OperationNotAllowed', fault.message) || fault.code === 'QuotaExceeded'
        ? "the subscription's vCPU quota for this region is used up (spot machines share one, Total Regional Spot vCPUs): ask for more under Quotas in the portal"
        : null;
    case 'AuthorizationFailed':
    case 'LinkedAuthorizationFailed':
      return "the control plane's identity lacks a role: apply azure/ again, and give role assignments ten minutes";
    case 'AzureSpotFeatureNotEnabledForSubscription':
      return 'this kind of subscription has no spot machines: use pay-as-you-go, or market: on-demand';
    case 'MissingSubscriptionRegistration':
    case 'NoRegisteredProviderFound':
      return 'register the provider, once a subscription: az provider register --namespace Microsoft.Compute';
    case 'PublicIPCountLimitReached':
      return "the region's quota of public addresses is used up: ask for more under Quotas in the portal";
    default:
      return null;
  }
}
