/** Inputs, large results and logs in the deployment's bucket. */
import { NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { BlobStore, ByteRange } from '../../core/ports.ts';
import { readObject } from './s3-read.ts';

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
      throw error;
    }
  }
}
