/** The result that a command left: `$SHOAL_RESULT_FILE` if there is something in it, else the last line of stdout. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import type { Failure } from '../../core/task.ts';
import type { LastLineReader } from './last-line.ts';

/** Above it a result is no result any more but a file, and belongs into a bucket of the job's own. */
export const MAX_RESULT_BYTES = 100 * 1024 * 1024;

export type FoundResult =
  | { readonly kind: 'result'; readonly json: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

const invalid = (message: string): FoundResult => ({ kind: 'failed', failure: { code: 'result-invalid', message } });
const tooLarge = (message: string): FoundResult => ({
  kind: 'failed',
  failure: { code: 'result-too-large', message },
});

/** The result of a command that exited with 0; `null` is the result of one that left none. */
export async function readResult(resultFile: string, lastLine: LastLineReader): Promise<FoundResult> {
  return (await readResultFile(resultFile)) ?? readLastLine(lastLine);
}

async function readResultFile(path: string): Promise<FoundResult | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return undefined;
  if (!found.isFile()) return invalid('$SHOAL_RESULT_FILE is not a plain file');
  if (found.size === 0) return undefined;
  if (found.size > MAX_RESULT_BYTES)
    return tooLarge(`the result has ${found.size} bytes, ${MAX_RESULT_BYTES} are allowed`);
  // The file was looked at a moment ago and may be a link or a pipe by now: follow no link, wait for no writer.
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const bytes = await file.readFile();
  const json = parseJson(bytes);
  if (json !== undefined) return { kind: 'result', json };
  const start = JSON.stringify(bytes.toString('utf8', 0, 60));
  return invalid(`$SHOAL_RESULT_FILE does not hold JSON in UTF-8; it starts with ${start}`);
}

function readLastLine(reader: LastLineReader): FoundResult {
  const line = reader.read();
  if (line.kind === 'line') return { kind: 'result', json: parseJson(line.bytes) ?? 'null' };
  // A progress bar is no result; what begins like JSON most likely is one, and must not be lost in silence.
  if (!/^[{["]/.test(line.first)) return { kind: 'result', json: 'null' };
  return tooLarge('the last line of stdout is longer than 1 MB; write a large result to $SHOAL_RESULT_FILE');
}

/** The text itself if it is JSON: parsed and written again, large numbers would change. */
function parseJson(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    JSON.parse(text);
    // Results are handed out as JSON Lines; a line break in JSON can only stand between tokens.
    return text.replace(/[\r\n]+/g, ' ');
  } catch {
    return undefined;
  }
}
