/**
 * The bridge on Azure, as a role of AWS: Entra signs who its managed identity is, for an application that stands for this
 * deployment; AWS trusts that issuer by a provider of the stack.
 */
import type { AccessToken } from './access-token.ts';
import { type AwsCredentials, assumedRole, type RoleOptions } from './assumed-role.ts';

export interface AwsFromAzureOptions extends RoleOptions {
  /** Of the managed identity, for the URI of that application: `azureFunctionAppToken`, or `azureMetadataToken` on a machine. */
  readonly token: AccessToken;
}

/** @throws PermanentError when the role does not trust this identity, TransientError when nobody answers */
export const awsFromAzure = ({ token, ...role }: AwsFromAzureOptions): AwsCredentials => assumedRole(token, role);
