/** Reads a whole object. The SDK tries a request again, but not a body that breaks off half way. */
import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { backoff } from '../backoff.ts';
import { toShoalError } from './aws-errors.ts';

const MAX_TRIES = 6;

/** @throws TransientError when the body keeps breaking off; whatever the SDK throws, such as `NoSuchKey` */
export async function readObject(
  client: S3Client,
  input: GetObjectCommandInput,
): Promise<{ readonly bytes: Uint8Array; readonly etag: string | null }> {
  for (let tries = 1; ; tries += 1) {
    const { Body, ETag } = await client.send(new GetObjectCommand(input));
    try {
      return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(), etag: ETag ?? null };
    } catch (error) {
      if (tries === MAX_TRIES) throw toShoalError(error, { service: 'S3', operation: 'GetObject' });
      await backoff(tries);
    }
  }
}
