import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import { parseEnvironment } from './environment.ts';

const schema = z.object({
  TABLE: z.string().min(1),
  BUCKET: z.string().min(1),
  SECONDS: z.coerce.number().positive().default(60),
});

describe('the environment of a function', () => {
  it('is typed, filled with defaults, frozen, and holds nothing that was not asked for', () => {
    const config = parseEnvironment(schema, { TABLE: 't', BUCKET: 'b', AWS_SECRET_ACCESS_KEY: 'secret' });

    expect(config).toEqual({ TABLE: 't', BUCKET: 'b', SECONDS: 60 });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('that is not complete is refused with everything that is missing or wrong at once', () => {
    const parse = () => parseEnvironment(schema, { BUCKET: '', SECONDS: '-1' });

    expect(parse).toThrow(PermanentError);
    expect(parse).toThrow(/TABLE: .+; BUCKET: .+; SECONDS: /);
  });

  it('that is refused tells no value of itself (lesson 40)', () => {
    const parse = () => parseEnvironment(schema, { SECONDS: 'hunter2', AWS_SECRET_ACCESS_KEY: 'hunter3' });

    expect(parse).not.toThrow(/hunter/);
  });
});
