/** `Authorization: Bearer <API key>`. Keys are ours (HTTP APIs have none), stored only as their hash. */
import { createHash } from 'node:crypto';
import type { ApiKey, KeyStore } from '../../core/ports.ts';
import { HttpError } from './problem.ts';

/** SHA-256 in hex: what is stored of a key. A key has 128 bits and more of randomness, so that a plain hash is enough. */
export const hashApiKey = (key: string): string => createHash('sha256').update(key).digest('hex');

/** @throws HttpError 401 when there is no key, or not one of ours */
export async function authenticate(keys: KeyStore, authorization: string | undefined): Promise<ApiKey> {
  const challenge = { 'www-authenticate': 'Bearer' };
  const key = /^Bearer +(\S{1,200})$/i.exec(authorization ?? '')?.[1];
  if (!key) throw new HttpError(401, 'send an API key: "Authorization: Bearer <key>"', challenge);
  const found = await keys.find(hashApiKey(key));
  if (!found) throw new HttpError(401, 'this API key is not known', challenge);
  return found;
}
