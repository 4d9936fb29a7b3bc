/** A request's JSON body: its type, size and depth are checked before it is parsed, and that nothing changes by it. */
import { counted } from '../../core/counted.ts';
import { ValidationError } from '../../core/errors.ts';
import { changedNumbers } from './changed-numbers.ts';
import { HttpError } from './problem.ts';

/** Deeper documents are refused: serialising one again may exhaust the stack. */
const MAX_DEPTH = 100;

/** @throws HttpError 415, 413 or 400; ValidationError when a number in it would not stay what it is */
export function readJsonBody(
  request: { headers: Readonly<Record<string, string | undefined>>; body: string | undefined },
  maxBytes: number,
): unknown {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new HttpError(415, 'the body must be sent as "Content-Type: application/json"');
  const text = request.body ?? '';
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new HttpError(413, `the body has ${bytes} bytes, more than ${maxBytes}; split the job into several`);
  }
  if (depthOf(text) > MAX_DEPTH) throw new HttpError(400, `the body is nested deeper than ${MAX_DEPTH} levels`);
  const document = parse(text);
  const faults = changedNumbers(text);
  if (faults.length === 0) return document;
  throw new ValidationError(`the body has ${counted(faults.length, 'fault')}`, faults);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HttpError(400, `the body is not JSON: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

/** How deep brackets nest, strings left out. Counts without recursion, so that it is safe on any text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth);
    else if (char === '}' || char === ']') depth -= 1;
  }
  return deepest;
}
