import { describe, expect, it } from 'vitest';
import { NotFoundError, ShoalError, TransientError, ValidationError } from './errors.ts';

describe('errors', () => {
  it('carry their own name, their cause and plain context', () => {
    const cause = new Error('ECONNRESET');

    const error = new TransientError('the queue did not answer', { cause, context: { fleet: 'default' } });

    expect(error).toBeInstanceOf(ShoalError);
    expect(error.name).toBe('TransientError');
    expect(error.cause).toBe(cause);
    expect(error.context).toEqual({ fleet: 'default' });
  });

  it('have no cause where none was given', () => {
    const error = new NotFoundError('no such job');

    expect('cause' in error).toBe(false);
    expect(error.context).toEqual({});
  });

  it('of validation carry every fault', () => {
    const faults = [{ path: 'name', message: 'is too long' }];

    expect(new ValidationError('the submission is not valid', faults).faults).toEqual(faults);
  });
});
