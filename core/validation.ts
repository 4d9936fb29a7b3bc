/** From zod's issues to our faults: every one, with its path as a person would write it. */
import { z } from 'zod';
import { type Fault, ValidationError } from './errors.ts';
import { inWords } from './fault-words.ts';

// Wherever a schema is tried, also inside another one: what it finds wrong is told to users.
z.config({ customError: inWords });

/** `['tasks', 3, 'key']` → `tasks[3].key`; the document itself is `$`. */
export function formatPath(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>((done, part) => {
    if (typeof part === 'number') return `${done}[${part}]`;
    return done ? `${done}.${String(part)}` : String(part);
  }, '');
  return text || '$';
}

/** All faults that a schema found; an unrecognised key is named at its own place. */
export function faultsOf(error: z.ZodError): Fault[] {
  return error.issues.filter(isTold).flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: formatPath([...issue.path, key]), message: 'unknown field' }));
    }
    // What is wrong with a key is said one level deeper.
    const { message } = (issue.code === 'invalid_key' && issue.issues[0]) || issue;
    return [{ path: formatPath(issue.path), message }];
  });
}

/** An integer that no double keeps is beyond any narrower bound too, which comes next and says more. */
function isTold(issue: z.core.$ZodIssue, at: number, issues: readonly z.core.$ZodIssue[]): boolean {
  const next = issues[at + 1];
  const isNarrowed = issue.code.startsWith('too_') && next?.code === issue.code;
  return !isNarrowed || formatPath(next.path) !== formatPath(issue.path);
}

/**
 * Parses a document that crosses an edge.
 * @throws ValidationError naming every fault and its place
 */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  document: unknown,
  what: string,
  context?: z.core.ParseContext<z.core.$ZodIssue>,
): z.infer<Schema> {
  const parsed = schema.safeParse(document, context);
  if (parsed.success) return parsed.data;
  throw new ValidationError(`${what} is not valid`, faultsOf(parsed.error));
}
