/** The client of SQS, apart from the others: it is all that an agent needs to ask for its first tasks. */
import { SQSClient } from '@aws-sdk/client-sqs';
import { withShoalErrors } from './aws-errors.ts';
import { type ClientOverrides, clientSettings } from './client-settings.ts';

/** An SQS long poll lasts 20 s; nothing else takes nearly so long. */
const LONG_POLL_REQUEST_MS = 25_000;

export const createSqsClient = (overrides: ClientOverrides = {}): SQSClient =>
  withShoalErrors(new SQSClient(clientSettings(LONG_POLL_REQUEST_MS, overrides)));
