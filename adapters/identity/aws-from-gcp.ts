/** The bridge on GCP, as a role of AWS: Google signs who its service account is; AWS knows Google without being told. */
import { type AwsCredentials, assumedRole, type RoleOptions } from './assumed-role.ts';
import { gcpIdentityToken } from './gcp-metadata-token.ts';

export interface AwsFromGcpOptions extends RoleOptions {
  /** What the role's trust policy expects as `accounts.google.com:oaud`. */
  readonly audience: string;
  readonly metadataUrl?: string;
}

/** @throws PermanentError when the role does not trust this service account, TransientError when nobody answers */
export const awsFromGcp = ({ audience, metadataUrl, ...role }: AwsFromGcpOptions): AwsCredentials =>
  assumedRole(() => gcpIdentityToken(audience, metadataUrl), role);
