import { createHash } from 'node:crypto';
import { z } from 'zod';

/** What is kept beside an object's body; `bodyFile` names the file that holds it. */
export const storedObjectSchema = z.object({
  key: z.string(),
  bodyFile: z.string(),
  size: z.number(),
  /** MD5 in hex, without quotes. */
  etag: z.string(),
  /** Epoch milliseconds. */
  lastModified: z.number(),
  /** Headers that are given back as they came: content type, encoding, user metadata. */
  headers: z.record(z.string(), z.string()),
});

export type StoredObject = z.output<typeof storedObjectSchema>;

/** A file name for any key at all: no key, however hostile, becomes part of a path. */
export function fileNameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
