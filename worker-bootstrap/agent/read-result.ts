/** The result that a command left: `$SHOAL_RESULT_FILE` if there is something in it, else the last line of stdout. */
import type { Failure } from '../../core/task.ts';
import { type LastLineReader, MAX_LINE_BYTES } from './last-line.ts';
import { openPlainFile } from './plain-file.ts';
import type { TaskUser } from './task-user.ts';

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

export interface ResultLimits {
  /** Above it a result is no result any more but a file, and belongs into a bucket of the job's own. */
  readonly maxResultBytes: number;
  /** Whose file it must be. */
  readonly taskUser: TaskUser | null;
}

/** The result of a command that exited with 0; `null` is the result of one that left none. */
export async function readResult(
  resultFile: string,
  lastLine: LastLineReader,
  limits: ResultLimits,
): Promise<FoundResult> {
  return (await readResultFile(resultFile, limits)) ?? readLastLine(lastLine, limits.maxResultBytes);
}

async function readResultFile(
  path: string,
  { maxResultBytes, taskUser }: ResultLimits,
): Promise<FoundResult | undefined> {
  const found = await openPlainFile(path, taskUser);
  if (found.kind === 'missing') return undefined;
  if (found.kind === 'odd') return invalid('$SHOAL_RESULT_FILE is not a plain file');
  await using file = found;
  if (file.bytes === 0) return undefined;
  if (file.bytes > maxResultBytes) return tooLarge(`it has ${file.bytes} bytes, ${maxResultBytes} are allowed`);
  const bytes = await file.read();
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
