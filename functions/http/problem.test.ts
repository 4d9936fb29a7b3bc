import { describe, expect, it } from 'vitest';
import { ConflictError, NotFoundError, PermanentError, TransientError, ValidationError } from '../../core/errors.ts';
import { HttpError, toProblem } from './problem.ts';

const bodyOf = (error: unknown) => JSON.parse(toProblem(error).body ?? '');

describe('an error as a problem document', () => {
  it.each<[unknown, number, string]>([
    [new HttpError(413, 'too large'), 413, 'Content Too Large'],
    [new ValidationError('the job has 1 fault', [{ path: 'fleet', message: 'unknown' }]), 422, 'Unprocessable Content'],
    [new NotFoundError('there is no such job'), 404, 'Not Found'],
    [new ConflictError('it is closed'), 409, 'Conflict'],
    [new TransientError('the queue does not answer'), 503, 'Service Unavailable'],
    [new PermanentError('a broken invariant'), 500, 'Internal Server Error'],
    [new HttpError(418, 'a teapot'), 418, 'Error'],
  ])('%s has its own status and title', (error, status, title) => {
    const { statusCode, headers } = toProblem(error);

    expect(statusCode).toBe(status);
    expect(headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
    expect(bodyOf(error)).toMatchObject({ type: 'about:blank', title, status });
  });

  it('names every fault with its path, and has no list when there are none', () => {
    const faults = [
      { path: 'tasks[3].key', message: 'twice' },
      { path: 'fleet', message: 'unknown' },
    ];

    expect(bodyOf(new ValidationError('the job has 2 faults', faults)).errors).toEqual(faults);
    expect(bodyOf(new NotFoundError('no'))).not.toHaveProperty('errors');
  });

  it('tells the first of very many faults, and how many there are', () => {
    const faults = Array.from({ length: 5_000 }, (_, n) => ({ path: `tasks[${n}]`, message: 'bad' }));

    const { detail, errors } = bodyOf(new ValidationError('the job has 5000 faults', faults));

    expect(errors).toEqual(faults.slice(0, 1_000));
    expect(detail).toBe('the job has 5000 faults; the first 1000 are told');
  });

  it('shortens a name that somebody made very long', () => {
    const fault = { path: `code.env.${'x'.repeat(100_000)}`, message: `the key "${'y'.repeat(100_000)}" is taken` };

    const { errors } = bodyOf(new ValidationError('the job has 1 fault', [fault]));

    expect(errors[0].path).toMatch(/^code\.env\.x{50,300}…$/);
    expect(errors[0].message).toMatch(/^the key "y{50,400}…$/);
  });

  it('says when to come again if that may help', () => {
    expect(toProblem(new TransientError('throttled')).headers).toMatchObject({ 'retry-after': '10' });
  });

  it.each<[string, unknown]>([
    ['an error nobody expected', new Error('connect ECONNREFUSED 10.0.0.7:443 secret-table')],
    ['a permanent one', new PermanentError('secret-table is gone', { cause: new Error('secret-table') })],
    ['a thrown text', 'secret-table'],
    ['nothing', undefined],
  ])('tells nothing of what went wrong inside: %s', (_what, error) => {
    const { statusCode, body } = toProblem(error);

    expect(statusCode).toBe(500);
    expect(body).not.toMatch(/secret|ECONN|at .*\.ts/);
    expect(bodyOf(error)).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      detail: 'something went wrong on our side',
    });
  });
});
