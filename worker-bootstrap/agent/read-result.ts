/** The result that a command left: `$SHOAL_RESULT_FILE` if there is something in it, else the last line of stdout. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import type { Failure } from '../../core/task.ts';
import { type LastLineReader, MAX_LINE_BYTES } from './last-line.ts';

export type FoundResult =
  /** `isPrinted`: it was a line of stdout. */
  | { readonly kind: 'result'; readonly json: string; readonly isPrinted: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure };

const invalid = (message: string): FoundResult => ({ kind: 'failed', failure: { code: 'result-invalid', message } });
const tooLarge = (message: string): FoundResult => ({ kind: 'failed', failure: tooLargeResult(message) });

export const tooLargeResult = (what: string): Failure => ({
  code: 'result-too-large',
  message: `result too large: ${what}`,
});

/**
 * The result of a command that exited with 0; `null` is the result of one that left none.
 * @param maxBytes above it a result is no result any more but a file, and belongs into a bucket of the job's own
 */
export async function readResult(resultFile: string, lastLine: LastLineReader, maxBytes: number): Promise<FoundResult> {
  return (await readResultFile(resultFile, maxBytes)) ?? readLastLine(lastLine, maxBytes);
}

async function readResultFile(path: string, maxBytes: number): Promise<FoundResult | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return undefined;
  if (!found.isFile()) return invalid('$SHOAL_RESULT_FILE is not a plain file');
  if (found.size === 0) return undefined;
  if (found.size > maxBytes) return tooLarge(`it has ${found.size} bytes, ${maxBytes} are allowed`);
  // The file was looked at a moment ago and may be a link or a pipe by now: follow no link, wait for no writer.
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const bytes = await file.readFile();
  const json = parseJson(bytes);
  if (json !== undefined) return { kind: 'result', json, isPrinted: false };
  return invalid(`$SHOAL_RESULT_FILE does not hold JSON in UTF-8; it starts with ${firstBytes(bytes)}`);
}

const NO_RESULT: FoundResult = { kind: 'result', json: 'null', isPrinted: false };

function readLastLine(reader: LastLineReader, maxBytes: number): FoundResult {
  const line = reader.read();
  if (line.kind === 'line') {
    const json = parseJson(line.bytes);
    if (json === undefined) return NO_RESULT;
    if (line.bytes.length <= maxBytes) return { kind: 'result', json, isPrinted: true };
    return tooLarge(`it has ${line.bytes.length} bytes, ${maxBytes} are allowed`);
  }
  // A progress bar is no result; what begins like JSON most likely is one, and must not be lost in silence.
  if (!line.isJsonLike) return NO_RESULT;
  return tooLarge(`on stdout ${MAX_LINE_BYTES} bytes are allowed; write a larger one to $SHOAL_RESULT_FILE`);
}

/** How a text begins that is not what it should be, for a message. */
export const firstBytes = (bytes: Buffer): string => JSON.stringify(bytes.toString('utf8', 0, 60));

/** The text itself if it is JSON: parsed and written again, large numbers would change. */
export function parseJson(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    JSON.parse(text);
    // Results are handed out as JSON Lines; a line break in JSON can only stand between tokens.
    return text.replace(/[\r\n]+/g, ' ');
  } catch {
    return undefined;
  }
}
