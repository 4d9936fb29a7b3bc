/** What all AWS clients have in common. */
import type { SQSClientConfig } from '@aws-sdk/client-sqs';

export interface ClientOverrides {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: NonNullable<SQSClientConfig['credentials']>;
  readonly maxAttempts?: number;
  readonly retryStrategy?: NonNullable<SQSClientConfig['retryStrategy']>;
}

const CONNECT_MS = 2_000;
/** For a request that is answered at once. */
export const REQUEST_MS = 10_000;

/** @param requestTimeout milliseconds one request may take */
export const clientSettings = (requestTimeout: number, overrides: ClientOverrides) => ({
  maxAttempts: 5,
  requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout, throwOnRequestTimeout: true },
  ...overrides,
});
