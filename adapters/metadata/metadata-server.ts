/** Asks a metadata server: plain HTTP to an address that only this machine reaches. */
import { request } from 'node:http';
import { TransientError } from '../../core/errors.ts';

export interface MetadataQuestion {
  readonly method?: 'GET' | 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface MetadataAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** It is on the very host: an answer that takes longer does not come. */
const TIMEOUT_MS = 2_000;
/** No answer that we ask for is nearly so long. */
const MAX_BYTES = 256 * 1024;

/** @throws TransientError when there is no answer */
export function askMetadata(url: string, question: MetadataQuestion = {}): Promise<MetadataAnswer> {
  const { method = 'GET', headers = {}, body, timeoutMs = TIMEOUT_MS, signal } = question;
  const limit = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new TransientError('the metadata server does not answer', { cause, context: { url } }));
    const asked = request(url, {
      method,
      headers,
      agent: false,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    asked.once('error', fail);
    asked.once('response', (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MAX_BYTES) response.destroy(new Error('the answer is too long'));
        else pieces.push(piece);
      });
      response.once('error', fail);
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(pieces).toString(),
        }),
      );
    });
    asked.end(body);
  });
}

/** What to say of an answer that is none of those that are documented. */
export const unexpected = (url: string, { status }: MetadataAnswer): TransientError =>
  new TransientError(`the metadata server answers ${status}`, { context: { url } });
