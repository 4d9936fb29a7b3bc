/** To whom a credential may be shown: over TLS, or to this machine itself, which only the local run reads from. */

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Whether what is sent to this address can be read by its host alone. */
export function isConfidential(address: URL): boolean {
  return address.protocol === 'https:' || (address.protocol === 'http:' && LOOPBACK.has(address.hostname));
}
