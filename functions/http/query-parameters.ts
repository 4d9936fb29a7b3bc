/** Query parameters, checked like a body: every fault at once, unknown ones refused. */
import { z } from 'zod';
import { parseDocument } from '../../core/validation.ts';
import type { ApiRequest } from './api-handler.ts';

/** How many items one page holds. */
export const limitParameter = (maximum: number, usual: number) =>
  z.coerce.number().int().min(1).max(maximum).default(usual);

/** @throws ValidationError */
export const readQuery = <Shape extends z.ZodRawShape>(request: ApiRequest, shape: Shape) =>
  parseDocument(z.strictObject(shape), { ...request.query }, 'the query');
