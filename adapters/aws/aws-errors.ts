/**
 * What an error of AWS means to us: the one place that decides it, in front of every client of `clients.ts`, after the
 * SDK's own tries.
 *
 * - `TransientError`, another try may succeed: throttling by any of its names, status 429 and 5xx, a connection that
 *   fails or breaks off, a request that took too long, credentials that have run out (the SDK fetches new ones).
 * - `PermanentError`, none can: permissions, signatures, and what is configured wrong or is not there (a table, a queue,
 *   a bucket, a function, a state machine), input that the service refuses.
 * - Everything else passes as it is: answers that an adapter understands, such as `ConditionalCheckFailedException`,
 *   `TransactionCanceledException`, `NoSuchKey` or `ExecutionAlreadyExists`, and a call that its caller has aborted.
 */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { PermanentError, ShoalError, TransientError } from '../../core/errors.ts';

/** As the SDKs classify them ("Retry behavior", AWS SDKs and Tools Reference Guide), with what passes by itself beside. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
  'RequestTimeout',
  'RequestTimeoutException',
  'TimeoutError',
  'OperationAborted',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
]);

const NETWORK: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

const PERMANENT: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AuthFailure',
  'IncompleteSignature',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'KMSAccessDeniedException',
  'KmsAccessDenied',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'SignatureDoesNotMatch',
  'UnauthorizedOperation',
  'UnrecognizedClientException',
  'AWS.SimpleQueueService.NonExistentQueue',
  'InvalidArn',
  'NoSuchBucket',
  'QueueDoesNotExist',
  'ResourceNotFoundException',
  'StateMachineDoesNotExist',
  'SerializationException',
  'ValidationException',
]);

/** By name alone; what an error's status adds to it is in {@link toShoalError}. */
export const isTransientCode = (code: string): boolean => TRANSIENT.has(code);

/** What is asked of an error of the SDK; nothing of it is certain to be there. */
interface AwsErrorShape extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The name that AWS gave an error, whether it was translated or not; empty for any other. */
export function awsCodeOf(error: unknown): string {
  if (!(error instanceof ShoalError)) return error instanceof Error ? error.name : '';
  return error.cause instanceof Error ? error.cause.name : '';
}

/** @param asked service and operation, to be named in the message */
export function toShoalError(error: unknown, asked: { readonly service: string; readonly operation: string }): unknown {
  if (!(error instanceof Error) || error instanceof ShoalError || error.name === 'AbortError') return error;
  const { name, code, $metadata }: AwsErrorShape = error;
  const status = $metadata?.httpStatusCode ?? 0;
  const reason = typeof code === 'string' && NETWORK.has(code) ? code : name;
  const options = { cause: error, context: { ...asked, code: reason } };
  if (TRANSIENT.has(name) || NETWORK.has(reason) || status === 429 || status >= 500) {
    return new TransientError(`${asked.service} does not answer (${reason})`, options);
  }
  if (PERMANENT.has(name) || status === 401 || status === 403) {
    return new PermanentError(`${asked.service} refuses ${asked.operation} (${reason})`, options);
  }
  return error;
}

/** The part of every SDK client that is used here; the step `initialize` is the outermost one. */
interface Translatable {
  readonly middlewareStack: Pick<SQSClient['middlewareStack'], 'add'>;
}

/** Translates what the client's calls throw. */
export function withShoalErrors<Client>(client: Client & Translatable): Client {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const service = String(context.clientName ?? 'AWS').replace(/Client$/, '');
        throw toShoalError(error, {
          service,
          operation: String(context.commandName ?? 'a call').replace(/Command$/, ''),
        });
      }
    },
    { step: 'initialize', name: 'shoalErrors', priority: 'high' },
  );
  return client;
}
