/**
 * What a message of another cloud becomes on a queue of SQS, which takes less than the others do: text up to a mebibyte,
 * and not every character. Whoever reads that queue judges what it says; here nothing is thrown away.
 */
import { toAsciiJson } from '../core/ascii-json.ts';

/** SQS's own limit is 1 MiB ("Amazon SQS message quotas"), attributes and all. */
export const MAX_CARRIED_BYTES = 1_000_000;
/** So much is kept of what cannot be carried as it is. */
const MAX_EVIDENCE_CHARACTERS = 128_000;

const PLAIN = /^[\t\n\r\x20-\x7e]*$/;

/** @param source who carries it */
export function carriedBody(data: Uint8Array, source: string): string {
  if (data.byteLength > MAX_CARRIED_BYTES) return evidence(data, source, `it has ${data.byteLength} bytes`);
  if (data.byteLength === 0) return evidence(data, source, 'it is empty');
  const text = decoded(data);
  if (text === undefined) return evidence(data, source, 'it is not UTF-8');
  if (PLAIN.test(text)) return text;
  const body = asAscii(text);
  if (body === undefined) return evidence(data, source, 'it is not JSON, and holds what SQS does not take');
  return body.length > MAX_CARRIED_BYTES ? evidence(data, source, 'it is too long once it is escaped') : body;
}

/** Readable to nobody who expects a message, and so kept with the other unreadable ones: with the reason in it. */
const evidence = (data: Uint8Array, source: string, why: string): string =>
  toAsciiJson({
    reason: `a message could not be carried as it was: ${why}`,
    source,
    base64: base64(data).slice(0, MAX_EVIDENCE_CHARACTERS),
  });

function decoded(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}

function asAscii(text: string): string | undefined {
  try {
    return toAsciiJson(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const base64 = (data: Uint8Array): string => Buffer.from(data.subarray(0, MAX_EVIDENCE_CHARACTERS)).toString('base64');
