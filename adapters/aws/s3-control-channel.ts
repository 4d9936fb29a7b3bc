/** The control document in the bucket: `control/{fleet}.json`, changed by `If-Match`, read by `If-None-Match`. */
import { NoSuchKey, PutObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { type ControlDocument, controlDocumentSchema, emptyControlDocument } from '../../core/control-document.ts';
import { blobKeys } from '../../core/ids.ts';
import type { ControlChannel, ControlRead } from '../../core/ports.ts';
import { updateControl } from '../update-control.ts';
import { readObject } from './s3-read.ts';

const NOT_MODIFIED = 304;
/** Somebody else wrote first: the ETag no longer fits, or two writes met. */
const LOST_THE_RACE: ReadonlySet<number> = new Set([409, 412]);

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

export class S3ControlChannel implements ControlChannel {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: { client: S3Client; bucket: string }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
  }

  async read(fleet: string, etag?: string): Promise<ControlRead> {
    try {
      const read = await readObject(this.#client, {
        Bucket: this.#bucket,
        Key: blobKeys.control(fleet),
        ...(etag ? { IfNoneMatch: etag } : {}),
      });
      const document = controlDocumentSchema.parse(JSON.parse(new TextDecoder().decode(read.bytes)));
      return { kind: 'document', document, etag: read.etag };
    } catch (error) {
      if (statusOf(error) === NOT_MODIFIED) return { kind: 'unchanged' };
      if (error instanceof NoSuchKey) return { kind: 'document', document: emptyControlDocument, etag: null };
      throw error;
    }
  }

  update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void> {
    return updateControl(fleet, change, {
      read: () => this.read(fleet),
      write: (changed, { etag }) => this.#write(fleet, changed, etag),
    });
  }

  async #write(fleet: string, changed: ControlDocument, etag: string | null): Promise<boolean> {
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: blobKeys.control(fleet),
          Body: JSON.stringify(changed),
          ContentType: 'application/json',
          ...(etag ? { IfMatch: etag } : { IfNoneMatch: '*' }),
        }),
      );
      return true;
    } catch (error) {
      if (LOST_THE_RACE.has(statusOf(error) ?? 0)) return false;
      throw error;
    }
  }
}
