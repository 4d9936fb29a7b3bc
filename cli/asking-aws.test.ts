import { describe, expect, it } from 'vitest';
import { TransientError } from '../core/errors.ts';
import { asOperator, whyUnheard } from './asking-aws.ts';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

describe('whoever asks AWS by hand', () => {
  it.each([
    [
      'has no credentials',
      new TransientError('STS does not answer', { cause: named('CredentialsProviderError', 'run aws sso login') }),
      'no credentials of profile work: run aws sso login',
    ],
    ['has credentials that ran out', named('ExpiredTokenException', 'old'), 'the credentials have run out'],
    ['is in no network', new TransientError('STS does not answer (ENOTFOUND)'), 'in mars-1, STS does not answer'],
  ])('is told when it %s, and what mends that', (_, error, message) => {
    const [said, mend] = whyUnheard(error, { region: 'mars-1', profile: 'work' }) ?? [];

    expect(said).toContain(message);
    expect(mend).toMatch(/aws sso login|--region/);
  });

  it('is told in words, and hears of other errors as they are', async () => {
    const unheard = asOperator('us-east-1', () =>
      Promise.reject(new TransientError('STS does not answer (ENOTFOUND)')),
    );
    const other = new Error('there is no such table');

    await expect(unheard).rejects.toThrow(/^in us-east-1, STS does not answer \(ENOTFOUND\)\n→ look at the network/);
    await expect(asOperator('us-east-1', () => Promise.reject(other))).rejects.toBe(other);
  });
});
