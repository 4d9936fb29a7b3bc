/** Pins code wherever it lies: over smart HTTP, or on this machine's disk for the local run. */
import type { CodeResolver } from '../../core/ports.ts';
import { FileCodeResolver } from '../local/file-code-resolver.ts';
import type { CredentialUser } from './repository-credentials.ts';
import { SmartHttpCodeResolver } from './smart-http-code-resolver.ts';

export function codeResolver(credentials: CredentialUser): CodeResolver {
  const overHttp = new SmartHttpCodeResolver({ credentials });
  const onDisk = new FileCodeResolver();
  return { resolve: (code) => (code.repository.startsWith('file:') ? onDisk : overHttp).resolve(code) };
}
