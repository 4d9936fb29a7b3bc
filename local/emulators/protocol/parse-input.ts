import type { z } from 'zod';
import { AwsError } from './aws-error.ts';

/**
 * The input of one operation, checked by its schema.
 *
 * @throws {AwsError} with the given code and a line that names every fault
 */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown, code: string): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`);
  throw new AwsError(code, faults.join('; '));
}
