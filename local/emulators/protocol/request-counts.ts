/**
 * What a service was asked, counted in the one place that every call passes: requests and bytes by operation, and the
 * units by which AWS would bill them. Each emulator tells its counts under {@link COUNTS_PATH}.
 */

import type { RequestListener } from 'node:http';

/** No bucket can have this name, and no other service has paths. */
export const COUNTS_PATH = '/_shoal/requests';

/** "Every 64 KB chunk of a payload is billed as 1 request" (Amazon SQS pricing). */
const BILLED_CHUNK_BYTES = 65_536;

export interface OperationCount {
  requests: number;
  requestBytes: number;
  responseBytes: number;
  /** Requests as SQS bills them: one for every 64 KB begun of a request's payload, to or fro. */
  billedChunks: number;
  /** Of DynamoDB. */
  writeUnits: number;
  readUnits: number;
}

/** Tells the counts to whoever asks; asking is not counted. */
export const countsTeller =
  (service: string, counts: RequestCounts): RequestListener =>
  (_request, response) => {
    const body = JSON.stringify({ service, operations: counts.byOperation() });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  };

export class RequestCounts {
  readonly #operations = new Map<string, OperationCount>();

  /** Counts one answered request, whether it succeeded or not: AWS bills both. */
  add(operation: string, requestBytes: number, responseBytes: number): void {
    const count = this.#of(operation);
    count.requests += 1;
    count.requestBytes += requestBytes;
    count.responseBytes += responseBytes;
    count.billedChunks += Math.max(1, Math.ceil(Math.max(requestBytes, responseBytes) / BILLED_CHUNK_BYTES));
  }

  addUnits(operation: string, units: { write?: number; read?: number }): void {
    const count = this.#of(operation);
    count.writeUnits += units.write ?? 0;
    count.readUnits += units.read ?? 0;
  }

  byOperation(): Readonly<Record<string, OperationCount>> {
    return Object.fromEntries(this.#operations);
  }

  #of(operation: string): OperationCount {
    let count = this.#operations.get(operation);
    if (count === undefined) {
      count = { requests: 0, requestBytes: 0, responseBytes: 0, billedChunks: 0, writeUnits: 0, readUnits: 0 };
      this.#operations.set(operation, count);
    }
    return count;
  }
}
