import { describe, expect, it, vi } from 'vitest';
import { realPatience } from './patience.ts';

describe('the patience of a tick', () => {
  it('gives the answer, or what went wrong, when it comes in time', async () => {
    expect(await realPatience(Promise.resolve(7), 1, 'the queue')).toBe(7);
    await expect(realPatience(Promise.reject(new Error('refused')), 1, 'the queue')).rejects.toThrow('refused');
  });

  it('ends when nothing comes', async () => {
    vi.useFakeTimers();
    const never = realPatience(new Promise(() => undefined), 10, 'the queue');
    const outcome = never.catch((error: unknown) => String(error));

    await vi.advanceTimersByTimeAsync(10_000);

    expect(await outcome).toContain('the queue gave no answer within 10 s');
    vi.useRealTimers();
  });
});
