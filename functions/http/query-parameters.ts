/** Query parameters, checked like a body: every fault at once, unknown ones refused. */
import { z } from 'zod';
import { parseDocument } from '../../core/validation.ts';
import type { ApiRequest } from './api-handler.ts';

/** How many items one page holds. */
export const limitParameter = (maximum: number, usual: number) =>
  z.coerce.number().int().min(1).max(maximum).default(usual);

/** Where a list of tasks goes on: the index of a task. */
export const cursorParameter = z
  .string()
  .regex(/^\d{1,7}$/, 'is not a cursor of ours')
  .transform(Number)
  .default(0);

/** @throws ValidationError */
export const readQuery = <Shape extends z.ZodRawShape>(request: ApiRequest, shape: Shape) =>
  parseDocument(z.strictObject(shape), { ...request.query }, 'the query');
