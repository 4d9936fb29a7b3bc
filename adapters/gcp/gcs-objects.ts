/**
 * Objects of a bucket on Cloud Storage, over its XML API: the address of an object is the bucket's and its key.
 * (https://cloud.google.com/storage/docs/xml-api/overview)
 */
import { NotFoundError } from '../../core/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { askGoogle, type GoogleRequest } from './google-api.ts';

/** Reading and writing may take longer than a call: results are up to megabytes, and nothing says over which line. */
const TIMEOUT_MS = 60_000;

export const NOT_MODIFIED = 304;
export const PRECONDITION_FAILED = 412;
export const NOT_SATISFIABLE = 416;

export class GcsObjects {
  readonly #bucketUrl: string;
  readonly #token: AccessToken | null;

  constructor(options: { bucketUrl: string; token: AccessToken | null }) {
    this.#bucketUrl = options.bucketUrl;
    this.#token = options.token;
  }

  /**
   * Asks for an object; `undefined` when there is none.
   * @throws NotFoundError when there is no such bucket
   */
  get<Value>(
    key: string,
    read: (response: Response) => Promise<Value>,
    options: Pick<GoogleRequest, 'headers' | 'signal' | 'expected'> = {},
  ): Promise<Value | undefined> {
    const request = this.#request('GET', key, { ...options, expected: [404, ...(options.expected ?? [])] });
    return askGoogle(request, async (response) => {
      if (response.status !== 404) return read(response);
      if (isNoBucket(await response.text())) throw new NotFoundError('there is no such bucket', { context: { key } });
      return undefined;
    });
  }

  /** @returns the status: 200, or one of those that were expected */
  put(
    key: string,
    body: NonNullable<GoogleRequest['body']>,
    options: Pick<GoogleRequest, 'headers' | 'signal' | 'expected' | 'tries' | 'timeoutMs'>,
  ): Promise<number> {
    return askGoogle(this.#request('PUT', key, { ...options, body }), async (response) => {
      await response.arrayBuffer();
      return response.status;
    });
  }

  #request(method: 'GET' | 'PUT', key: string, options: Partial<GoogleRequest>): GoogleRequest {
    const url = `${this.#bucketUrl}/${key.split('/').map(encodeURIComponent).join('/')}`;
    return { timeoutMs: TIMEOUT_MS, ...options, method, url, token: this.#token };
  }
}

const isNoBucket = (xml: string): boolean => xml.includes('<Code>NoSuchBucket</Code>');
