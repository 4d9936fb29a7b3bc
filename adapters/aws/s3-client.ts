/** The client of S3, apart from the others for the agent's sake. */
import { S3Client } from '@aws-sdk/client-s3';
import { withShoalErrors } from './aws-errors.ts';
import { type ClientOverrides, clientSettings } from './client-settings.ts';

/** Blobs may be large: a longer limit for one request. */
export const createS3Client = (overrides: ClientOverrides = {}): S3Client =>
  withShoalErrors(new S3Client(clientSettings(60_000, overrides)));
