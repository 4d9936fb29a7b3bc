/** Who a machine or a function on GCP is: tokens of its service account, from the metadata server that only it reaches. */
import { z } from 'zod';
import { PermanentError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { askMetadata, type MetadataAnswer, unexpected } from '../metadata/metadata-server.ts';
import { parsedJson } from '../parsed-json.ts';
import type { AccessToken } from './access-token.ts';
import { cachedToken } from './cached-token.ts';

const GCP_METADATA_URL = 'http://metadata.google.internal';
const ACCOUNT = '/computeMetadata/v1/instance/service-accounts/default';

export interface GcpMetadataOptions {
  readonly clock: Clock;
  readonly url?: string;
}

const answerSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().nonnegative() });

/**
 * Access tokens of the service account, with the scopes that the machine was made with ("Authenticate workloads using
 * service accounts", Compute Engine).
 * @throws PermanentError on a machine without a service account, TransientError when the server does not answer
 */
export function gcpMetadataToken({ clock, url = GCP_METADATA_URL }: GcpMetadataOptions): AccessToken {
  const address = `${url}${ACCOUNT}/token`;
  return cachedToken(
    async () => {
      const answer = await asked(address);
      const token = answerSchema.safeParse(parsedJson(answer.text));
      if (!token.success) throw unexpected(address, answer);
      const { access_token: value, expires_in: seconds } = token.data;
      return { value, expiresAt: new Date(clock.now().getTime() + seconds * 1_000) };
    },
    { clock },
  );
}

/**
 * A signed statement of who this machine is, for one audience ("Verify the identity of VMs", Compute Engine). Good for an
 * hour; whoever exchanges it keeps what it gets, so this is not kept.
 */
export async function gcpIdentityToken(audience: string, url = GCP_METADATA_URL): Promise<string> {
  const answer = await asked(`${url}${ACCOUNT}/identity?${new URLSearchParams({ audience })}`);
  return answer.text.trim();
}

async function asked(address: string): Promise<MetadataAnswer> {
  const answer = await askMetadata(address, { headers: { 'metadata-flavor': 'Google' } });
  if (answer.status === 404) throw new PermanentError('this machine has no service account: make it with one');
  if (answer.status !== 200) throw unexpected(address, answer);
  return answer;
}
