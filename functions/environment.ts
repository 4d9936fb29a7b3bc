/** A function's configuration: read once, every fault reported at once, frozen. */
import type { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import { faultsOf } from '../core/validation.ts';

/** @throws PermanentError naming every variable that is missing or wrong */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<z.infer<Schema>> {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return Object.freeze(parsed.data);
  const faults = faultsOf(parsed.error).map((fault) => `${fault.path}: ${fault.message}`);
  throw new PermanentError(`the environment is not complete: ${faults.join('; ')}`);
}
