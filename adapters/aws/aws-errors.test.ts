import { describe, expect, it } from 'vitest';
import { ConflictError, PermanentError, TransientError } from '../../core/errors.ts';
import { awsCodeOf, toShoalError } from './aws-errors.ts';

const asked = { service: 'DynamoDB', operation: 'GetItem' };
const awsError = (name: string, more: object = {}): Error => Object.assign(new Error('told by AWS'), { name, ...more });
const status = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } });

describe('an error of AWS', () => {
  it.each([
    ['ThrottlingException', status(400)],
    ['ProvisionedThroughputExceededException', status(400)],
    ['RequestLimitExceeded', status(400)],
    // SQS says it with the status of a refusal.
    ['RequestThrottled', status(403)],
    ['SlowDown', status(503)],
    ['TransactionInProgressException', status(400)],
    ['InternalServerError', status(500)],
    ['a name that nobody knows', status(502)],
    ['a name that nobody knows', status(429)],
    ['TimeoutError', {}],
    ['ExpiredTokenException', status(403)],
    ['Error', { code: 'ECONNRESET' }],
    ['Error', { code: 'ENOTFOUND' }],
  ])('called %s (%o) may pass', (name, more) => {
    const error = awsError(name, more);

    const translated = toShoalError(error, asked);

    expect(translated).toBeInstanceOf(TransientError);
    expect(translated).toMatchObject({ cause: error, context: asked });
  });

  it.each([
    ['AccessDeniedException', status(400)],
    ['AccessDenied', status(403)],
    ['UnrecognizedClientException', status(400)],
    ['a name that nobody knows', status(403)],
    ['ResourceNotFoundException', status(400)],
    ['QueueDoesNotExist', status(400)],
    ['NoSuchBucket', status(404)],
    ['StateMachineDoesNotExist', status(400)],
    ['ValidationException', status(400)],
  ])('called %s (%o) does not', (name, more) => {
    expect(toShoalError(awsError(name, more), asked)).toBeInstanceOf(PermanentError);
  });

  it.each([
    ['ConditionalCheckFailedException', status(400)],
    ['TransactionCanceledException', status(400)],
    ['TransactionConflictException', status(400)],
    ['NoSuchKey', status(404)],
    ['PreconditionFailed', status(412)],
    ['TaskTimedOut', status(400)],
    ['AbortError', {}],
    ['TypeError', {}],
  ])('called %s (%o) is left to whoever asked', (name, more) => {
    const error = awsError(name, more);

    expect(toShoalError(error, asked)).toBe(error);
  });

  it('says which service and why, and nothing that only AWS said', () => {
    const translated = toShoalError(awsError('ThrottlingException'), asked);

    expect(String(translated)).toBe('TransientError: DynamoDB does not answer (ThrottlingException)');
  });

  it('is translated once', () => {
    const own = new ConflictError('ours');

    expect(toShoalError(own, asked)).toBe(own);
  });

  it('keeps its name, translated or not', () => {
    const error = awsError('ThrottlingException');

    expect([awsCodeOf(error), awsCodeOf(toShoalError(error, asked)), awsCodeOf('text')]).toEqual([
      'ThrottlingException',
      'ThrottlingException',
      '',
    ]);
  });
});
