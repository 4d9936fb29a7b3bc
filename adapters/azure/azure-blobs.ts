/** Blobs of one container over REST ("Blob service REST API"): what the blob store and the control channel have in common. */
import { PermanentError } from '../../core/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { type AzureAnswer, type AzureQuestion, askAzure, authorized, unexpected } from './azure-request.ts';

export interface AzureContainer {
  /** Without a trailing slash. */
  readonly containerUrl: string;
  /** `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
}

export const BLOBS = 'Blob Storage';
/** From 2019-12-12 on one request puts up to 5,000 MiB ("Put Blob"); with a token a version must be named. */
const VERSION = '2021-12-02';
/** Blobs may be large: a longer limit for one request. */
const TIMEOUT_MS = 60_000;

/** Segment by segment: a slash in a key is one in the address. */
export const blobUrl = ({ containerUrl }: AzureContainer, key: string): string =>
  `${containerUrl}/${key.split('/').map(encodeURIComponent).join('/')}`;

export const blobHeaders = (): Record<string, string> => ({
  'x-ms-version': VERSION,
  'x-ms-date': new Date().toUTCString(),
});

export const authorizedBlobHeaders = async (token: AccessToken | null): Promise<Record<string, string>> => ({
  ...blobHeaders(),
  ...(await authorized(token)),
});

/** Of every block blob that is put. */
export const putHeaders = (contentType: string): Record<string, string> => ({
  'x-ms-blob-type': 'BlockBlob',
  'content-type': contentType,
});

/** @returns every answer that its caller may understand. @throws TransientError, PermanentError */
export async function askForBlob(
  container: AzureContainer,
  key: string,
  question: AzureQuestion,
): Promise<AzureAnswer> {
  const service = { service: BLOBS, token: container.token };
  const headers = { ...blobHeaders(), ...question.headers };
  const answer = await askAzure(service, blobUrl(container, key), { timeoutMs: TIMEOUT_MS, ...question, headers });
  if (isNoContainer(answer)) throw noContainer(container);
  return answer;
}

/** A container that is not there is not the same as a blob that is not. */
export const isNoContainer = ({ status, headers }: Pick<AzureAnswer, 'status' | 'headers'>): boolean =>
  status === 404 && headers.get('x-ms-error-code') === 'ContainerNotFound';

export const noContainer = ({ containerUrl }: AzureContainer): PermanentError =>
  new PermanentError('there is no such container', { context: { containerUrl } });

export const unexpectedOfBlobs = (operation: string, answer: AzureAnswer): PermanentError =>
  unexpected(BLOBS, operation, answer);
