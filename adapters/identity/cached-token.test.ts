import { describe, expect, it } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import { ManualClock } from '../../test/factories/manual-clock.ts';
import { cachedToken } from './cached-token.ts';

/** A source of `token-1`, `token-2` …, each good for so long; while `fails` is set, of none. */
function prepare({ lifeSeconds = 3_600, renewSeconds }: { lifeSeconds?: number; renewSeconds?: number } = {}) {
  const clock = new ManualClock();
  const source = { minted: 0, fails: false };
  const mint = async () => {
    source.minted += 1;
    if (source.fails) throw new TransientError('not now');
    const expiresAt = new Date(clock.now().getTime() + lifeSeconds * 1_000);
    return { value: `token-${source.minted}`, expiresAt };
  };
  const token = cachedToken(mint, renewSeconds === undefined ? { clock } : { clock, renewSeconds });
  return { clock, source, token };
}

describe('a kept token', () => {
  it('is asked for at the first need, not before', async () => {
    const { source, token } = prepare();
    expect(source.minted).toBe(0);

    expect(await token()).toBe('token-1');
  });

  it('serves until shortly before it expires', async () => {
    const { clock, token } = prepare();
    await token();

    clock.advance(3_600 - 226);
    expect(await token()).toBe('token-1');

    clock.advance(2);
    expect(await token()).toBe('token-2');
  });

  it('is renewed at three quarters of its life when that is short', async () => {
    const { clock, token } = prepare({ lifeSeconds: 60 });
    await token();

    clock.advance(44);
    expect(await token()).toBe('token-1');

    clock.advance(2);
    expect(await token()).toBe('token-2');
  });

  it('is renewed as early as its user needs it', async () => {
    const { clock, token } = prepare({ renewSeconds: 600 });
    await token();

    clock.advance(3_001);

    expect(await token()).toBe('token-2');
  });

  it('is asked for once by everybody who wants it at the same time', async () => {
    const { clock, source, token } = prepare();

    expect(await Promise.all([token(), token(), token()])).toEqual(['token-1', 'token-1', 'token-1']);
    clock.advance(3_500);
    expect(await Promise.all([token(), token()])).toEqual(['token-2', 'token-2']);
    expect(source.minted).toBe(2);
  });
});

describe('while no new token is to be had', () => {
  it('the old one serves as long as it is good, and is not asked for again with every request', async () => {
    const { clock, source, token } = prepare();
    await token();
    source.fails = true;
    clock.advance(3_600 - 200);

    expect(await token()).toBe('token-1');
    expect(await token()).toBe('token-1');
    expect(source.minted).toBe(2);

    clock.advance(11);
    expect(await token()).toBe('token-1');
    expect(source.minted).toBe(3);
  });

  it('an old one that is about to expire does not serve', async () => {
    const { clock, source, token } = prepare();
    await token();
    source.fails = true;
    clock.advance(3_600 - 31);
    expect(await token()).toBe('token-1');

    clock.advance(2);

    await expect(token()).rejects.toThrow('not now');
  });

  it('everybody who waits hears why, and the next one asks anew', async () => {
    const { source, token } = prepare();
    source.fails = true;

    expect(await Promise.allSettled([token(), token()])).toMatchObject([
      { status: 'rejected' },
      { status: 'rejected' },
    ]);
    expect(source.minted).toBe(1);

    source.fails = false;
    expect(await token()).toBe('token-2');
  });
});
