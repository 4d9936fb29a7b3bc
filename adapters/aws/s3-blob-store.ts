/** Inputs, large results, checkpoints and logs in the deployment's bucket. */
import { Readable } from 'node:stream';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { BlobStore, ByteRange, ByteStream } from '../../core/ports.ts';
import { readObject } from './s3-read.ts';

/** No byte of the range is there. */
const BEYOND_ITS_END = 416;

export class S3BlobStore implements BlobStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: { client: S3Client; bucket: string }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
  }

  async put(key: string, body: string | Uint8Array, contentType: string): Promise<void> {
    // The SDK takes an empty string for a stream of unknown length, and warns.
    const Body = typeof body === 'string' ? Buffer.from(body) : body;
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body, ContentType: contentType }));
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    const Range = range && `bytes=${range.offset}-${range.offset + range.bytes - 1}`;
    try {
      return (await readObject(this.#client, { Bucket: this.#bucket, Key: key, Range })).bytes;
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === BEYOND_ITS_END)
        return new Uint8Array();
      throw error;
    }
  }

  async putStream(key: string, body: ByteStream, contentType: string, signal?: AbortSignal): Promise<void> {
    // One request however long it is, up to the 5 GB that PutObject takes: a part of it is never there.
    const [ContentLength, ContentType] = [body.bytes, contentType];
    const broken = new AbortController();
    const chunks = untilBroken(body.chunks, broken);
    const Body = ContentLength === 0 ? Buffer.alloc(0) : Readable.from(chunks, { objectMode: false });
    const command = new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body, ContentLength, ContentType });
    const abortSignal = signal ? AbortSignal.any([signal, broken.signal]) : broken.signal;
    await this.#client.send(command, { abortSignal });
  }

  async getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
    try {
      const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
      const { Body, ContentLength = 0 } = await this.#client.send(command, signal && { abortSignal: signal });
      // In Node the body is a stream of node:stream.
      return Body instanceof Readable ? { bytes: ContentLength, chunks: Body } : undefined;
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }
}

/** The SDK waits for ever for the rest of a stream that fails, and nobody catches the error: it aborts instead. */
async function* untilBroken(chunks: AsyncIterable<Uint8Array>, broken: AbortController) {
  try {
    yield* chunks;
  } catch (error) {
    broken.abort(error);
  }
}
