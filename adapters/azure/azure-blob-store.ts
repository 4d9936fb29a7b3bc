/** Inputs, large results, checkpoints and logs in the deployment's container. */
import type { BlobStore, ByteRange, ByteStream } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { getBlobStream, putBlobStream } from './azure-blob-streams.ts';
import { type AzureContainer, askForBlob, putHeaders, unexpectedOfBlobs } from './azure-blobs.ts';

const NOT_FOUND = 404;
const CREATED = 201;
/** The range begins where the blob has ended. */
const NOTHING_THERE = 416;

export class AzureBlobStore implements BlobStore {
  readonly #container: AzureContainer;

  constructor(options: { containerUrl: string; token: AccessToken | null }) {
    this.#container = options;
  }

  async put(key: string, body: string | Uint8Array, contentType: string): Promise<void> {
    // A copy: what is changed while it is under way, or between two tries, is not to be seen.
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
    const question = { method: 'PUT', headers: putHeaders(contentType), body: bytes } as const;
    const answer = await askForBlob(this.#container, key, question);
    if (answer.status !== CREATED) throw unexpectedOfBlobs('Put Blob', answer);
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.bytes - 1}` } : {};
    const answer = await askForBlob(this.#container, key, { method: 'GET', headers });
    if (answer.status === NOT_FOUND) return undefined;
    if (range && answer.status === NOTHING_THERE) return new Uint8Array();
    if (answer.status !== (range ? 206 : 200)) throw unexpectedOfBlobs('Get Blob', answer);
    return answer.bytes;
  }

  putStream(key: string, body: ByteStream, contentType: string, signal?: AbortSignal): Promise<void> {
    return putBlobStream(this.#container, key, body, contentType, signal);
  }

  getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
    return getBlobStream(this.#container, key, signal);
  }
}
