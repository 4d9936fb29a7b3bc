/**
 * Who a machine or a function on Azure is: tokens of its managed identity. A machine asks its metadata server ("How to use
 * managed identities for Azure resources on an Azure VM to acquire an access token"), a function app an address of its own
 * with a secret that changes ("How to use managed identities for App Service and Azure Functions").
 */
import { z } from 'zod';
import { PermanentError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { askMetadata, unexpected } from '../metadata/metadata-server.ts';
import { parsedJson } from '../parsed-json.ts';
import type { AccessToken } from './access-token.ts';
import { cachedToken } from './cached-token.ts';

const AZURE_METADATA_URL = 'http://169.254.169.254';

/** For what a token is good. */
export const AZURE_RESOURCES = {
  serviceBus: 'https://servicebus.azure.net',
  storage: 'https://storage.azure.com',
  management: 'https://management.azure.com',
} as const;

interface ManagedIdentityOptions {
  /** One of `AZURE_RESOURCES`, or the URI of an application. */
  readonly resource: string;
  /** Which identity, where there are several assigned. */
  readonly clientId?: string;
  readonly clock: Clock;
}

export interface AzureMetadataOptions extends ManagedIdentityOptions {
  readonly url?: string;
}

/** @throws PermanentError on a machine without that identity, TransientError when the server does not answer */
export function azureMetadataToken({ url = AZURE_METADATA_URL, ...options }: AzureMetadataOptions): AccessToken {
  return managedIdentityToken(`${url}/metadata/identity/oauth2/token`, '2018-02-01', { metadata: 'true' }, options);
}

/** `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` of a function app. */
export interface AzureFunctionAppOptions extends ManagedIdentityOptions {
  readonly endpoint: string;
  readonly header: string;
}

/** @throws PermanentError in an app without that identity, TransientError when nobody answers */
export function azureFunctionAppToken({ endpoint, header, ...options }: AzureFunctionAppOptions): AccessToken {
  return managedIdentityToken(endpoint, '2019-08-01', { 'x-identity-header': header }, options);
}

/** Seconds since 1970, as a number or its digits. */
const answerSchema = z.object({ access_token: z.string().min(1), expires_on: z.coerce.number().positive() });

function managedIdentityToken(
  address: string,
  version: string,
  headers: Readonly<Record<string, string>>,
  { resource, clientId, clock }: ManagedIdentityOptions,
): AccessToken {
  const question = new URLSearchParams({ 'api-version': version, resource });
  if (clientId !== undefined) question.set('client_id', clientId);
  return cachedToken(
    async () => {
      const answer = await askMetadata(`${address}?${question}`, { headers, timeoutMs: TIMEOUT_MS });
      // 404 means that the identity is not there yet ("error handling" of both pages).
      if (answer.status === 400) throw refused(resource, clientId);
      const token = answerSchema.safeParse(answer.status === 200 ? parsedJson(answer.text) : undefined);
      if (!token.success) throw unexpected(address, answer);
      return { value: token.data.access_token, expiresAt: new Date(token.data.expires_on * 1_000) };
    },
    { clock },
  );
}

/** The server fetches what it does not have from Entra. */
const TIMEOUT_MS = 10_000;

const refused = (resource: string, clientId: string | undefined): PermanentError =>
  new PermanentError(
    clientId === undefined
      ? `Azure gives no token for ${resource}: assign a managed identity, and name it if there are several`
      : `Azure gives no token for ${resource}: assign the managed identity ${clientId}`,
    { context: { resource, clientId } },
  );
