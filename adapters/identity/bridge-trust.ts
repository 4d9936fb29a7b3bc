/**
 * Whom the role of a bridge trusts: one subject of one issuer, for one audience ("Available keys for AWS OIDC federation",
 * IAM). The stack makes the roles of this, and the doctor holds the deployed ones to it.
 */
import { type AzureCloud, type GcpCloud, gcpBridgeAudience } from '../../core/clouds.ts';

/** Keys of a trust policy's condition, and the one value of each. */
export type PinnedClaims = Readonly<Record<string, string>>;

export const GOOGLE_ISSUER = 'accounts.google.com';

/**
 * Of a token by Google for a service account, AWS takes `azp` for `aud` and `aud` for `oaud`; `azp` and `sub` are both the
 * account's unique id. An address could be given to another account one day; an id cannot.
 */
export const gcpBridgeClaims = ({ bridgeServiceAccountId: id }: GcpCloud, stage: string): PinnedClaims => ({
  [`${GOOGLE_ISSUER}:sub`]: id,
  [`${GOOGLE_ISSUER}:aud`]: id,
  [`${GOOGLE_ISSUER}:oaud`]: gcpBridgeAudience(stage),
});

/** Of tokens in Entra's first version, which applications get unless they ask for the second. */
export const azureIssuer = ({ tenantId }: Pick<AzureCloud, 'tenantId'>): string => `sts.windows.net/${tenantId}/`;

export const azureBridgeClaims = (azure: AzureCloud): PinnedClaims => ({
  [`${azureIssuer(azure)}:sub`]: azure.bridgePrincipalId,
  [`${azureIssuer(azure)}:aud`]: azure.bridgeAudience,
});
