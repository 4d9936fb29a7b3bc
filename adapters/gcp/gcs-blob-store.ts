/** Inputs, large results, checkpoints and logs in the deployment's bucket on Cloud Storage. */
import type { BlobStore, ByteRange, ByteStream } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { GcsObjects, NOT_SATISFIABLE } from './gcs-objects.ts';

/** A stream has as long as the task that it belongs to: it is ended by its signal. */
const STREAM_MS = 6 * 3_600_000;

export class GcsBlobStore implements BlobStore {
  readonly #objects: GcsObjects;

  /** @param options.bucketUrl such as `https://storage.googleapis.com/my-bucket` */
  constructor(options: { bucketUrl: string; token: AccessToken | null }) {
    this.#objects = new GcsObjects(options);
  }

  async put(key: string, body: string | Uint8Array, contentType: string): Promise<void> {
    // Tries come later than the call: bytes that change meanwhile are not what was put.
    const bytes = typeof body === 'string' ? Buffer.from(body) : new Uint8Array(body);
    await this.#objects.put(key, bytes, { headers: { 'content-type': contentType } });
  }

  get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.bytes - 1}` } : {};
    const read = async (response: Response): Promise<Uint8Array> => {
      const bytes = new Uint8Array(await response.arrayBuffer());
      return response.status === NOT_SATISFIABLE ? new Uint8Array() : bytes;
    };
    return this.#objects.get(key, read, { headers, expected: [NOT_SATISFIABLE] });
  }

  async putStream(key: string, body: ByteStream, contentType: string, signal?: AbortSignal): Promise<void> {
    const headers = { 'content-type': contentType, 'content-length': String(body.bytes) };
    // One request however long it is, and one try: a part of it is never there, and it can be read only once.
    const options = { headers, signal, tries: 1, timeoutMs: STREAM_MS };
    await this.#objects.put(key, body.bytes === 0 ? '' : ReadableStream.from(body.chunks), options);
  }

  getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
    const read = async ({ headers, body }: Response): Promise<ByteStream> => ({
      bytes: Number(headers.get('content-length') ?? 0),
      chunks: body ?? ReadableStream.from([]),
    });
    // Unpacked on the way it would be longer than it says.
    return this.#objects.get(key, read, { signal, headers: { 'accept-encoding': 'identity' } });
  }
}
