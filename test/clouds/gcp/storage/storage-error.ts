/**
 * What Cloud Storage answers when it refuses; one meaning, worded for either of its APIs.
 * @see https://cloud.google.com/storage/docs/xml-api/reference-status
 * @see https://cloud.google.com/storage/docs/json_api/v1/status-codes
 */
import type { HttpAnswer } from '../http-front.ts';

const WORDS: Readonly<Record<number, readonly [string, string]>> = {
  400: ['InvalidArgument', 'Invalid argument.'],
  401: ['AuthenticationRequired', 'Authentication required.'],
  403: ['AccessDenied', 'Access denied.'],
  404: ['NoSuchKey', 'The specified key does not exist.'],
  405: ['MethodNotAllowed', 'The specified method is not allowed against this resource.'],
  411: ['MissingContentLength', 'You must provide the Content-Length HTTP header.'],
  412: ['PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.'],
  416: ['InvalidRange', 'The requested range cannot be satisfied.'],
  429: ['SlowDown', 'The rate of requests is too high. Please retry with exponential backoff.'],
  500: ['InternalError', 'We encountered an internal error. Please try again.'],
  503: ['ServiceUnavailable', 'The service is currently unavailable. Please try again.'],
};

export class StorageError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code = WORDS[status]?.[0] ?? 'InternalError', message = WORDS[status]?.[1] ?? code) {
    super(message);
    this.name = 'StorageError';
    this.status = status;
    this.code = code;
  }
}

export const noSuchBucket = (): StorageError =>
  new StorageError(404, 'NoSuchBucket', 'The specified bucket does not exist.');

export const xmlFailure = (status: number, error = new StorageError(status)): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/xml; charset=UTF-8' },
  body: `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${error.code}</Code><Message>${error.message}</Message></Error>`,
});

export const jsonFailure = (status: number, { message }: Error): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: JSON.stringify({ error: { code: status, message, errors: [{ message, domain: 'global' }] } }),
});
