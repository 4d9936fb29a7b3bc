/** Presigned addresses of blobs: whoever has one reads the blob with the rights of whoever signed it, until it expires. */
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { BlobLinks } from '../../core/ports.ts';

export class S3BlobLinks implements BlobLinks {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: { client: S3Client; bucket: string }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
  }

  link(key: string, expiresSeconds: number): Promise<string> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
    return getSignedUrl(this.#client, command, { expiresIn: expiresSeconds });
  }
}
