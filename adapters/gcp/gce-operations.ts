/**
 * Compute Engine answers a launch with an operation, which goes on by itself ("Handling API responses"). A launch of many
 * is a group: the operation of the request, and one for each machine, with its name and what became of it.
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import { computeUrl } from './gce-url.ts';
import type { GoogleRest } from './google-rest.ts';

const operationErrorSchema = z.object({
  code: z.string().default('UNKNOWN'),
  message: z.string().default(''),
  /** `ErrorInfo` of what could not be had names the type, as `vmType`. */
  errorDetails: z
    .array(z.object({ errorInfo: z.object({ metadatas: z.record(z.string(), z.string()).optional() }).optional() }))
    .optional(),
});
export type OperationError = z.infer<typeof operationErrorSchema>;

export const operationSchema = z.object({
  name: z.string(),
  status: z.string(),
  operationType: z.string().optional(),
  operationGroupId: z.string().optional(),
  targetLink: z.string().optional(),
  insertTime: z.string().optional(),
  statusMessage: z.string().optional(),
  error: z.object({ errors: z.array(operationErrorSchema).default([]) }).optional(),
});
export type Operation = z.infer<typeof operationSchema>;

/**
 * Waits for the end of a region's operation. The service keeps the question open ("regionOperations.wait": up to two
 * minutes); an answer that is lost is asked for again.
 * @throws TransientError when it has not ended by the deadline: it may yet succeed
 */
export async function awaitOperation(
  rest: GoogleRest,
  cloud: GcpCloud,
  operation: Operation,
  waitMs: number,
): Promise<Operation> {
  const deadline = performance.now() + waitMs;
  let latest = operation;
  for (let tries = 1; latest.status !== 'DONE'; tries += 1) {
    const left = deadline - performance.now();
    if (left <= 0) {
      throw new TransientError('Compute Engine is still launching', { context: { operation: operation.name } });
    }
    if (tries > 1) await backoff(tries);
    const question = {
      method: 'POST',
      url: computeUrl(cloud, `regions/${cloud.region}/operations/${operation.name}/wait`),
      answer: operationSchema,
      timeoutMs: left,
      tries: 1,
    } as const;
    latest = await rest.demand(question).catch((error: unknown) => {
      if (error instanceof TransientError) return latest;
      throw error;
    });
  }
  return latest;
}

const pageSchema = z.object({
  items: z.record(z.string(), z.object({ operations: z.array(operationSchema).optional() })).default({}),
  nextPageToken: z.string().optional(),
});

export interface OperationQuery {
  readonly filter: string;
  readonly newestFirst?: boolean;
  /** Enough is enough: pages of 500. */
  readonly pages: number;
}

export async function listOperations(rest: GoogleRest, cloud: GcpCloud, query: OperationQuery): Promise<Operation[]> {
  const found: Operation[] = [];
  let pageToken: string | undefined;
  let pages = 0;
  do {
    const page = await rest.demand({
      url: computeUrl(cloud, 'aggregated/operations'),
      query: {
        filter: query.filter,
        maxResults: '500',
        pageToken,
        ...(query.newestFirst ? { orderBy: 'creationTimestamp desc' } : {}),
      },
      answer: pageSchema,
    });
    found.push(...Object.values(page.items).flatMap(({ operations = [] }) => operations));
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken && pages < query.pages);
  return found;
}
