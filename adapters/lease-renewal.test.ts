import { expect, it } from 'vitest';
import { VirtualClock } from '../test/factories/virtual-clock.ts';
import { LeaseRenewal } from './lease-renewal.ts';

/** A renewal that writes down what it does, and when, in seconds from the start. */
function setup({ lapsed = [], failures = 0 }: { lapsed?: string[]; failures?: number } = {}) {
  const clock = new VirtualClock();
  const start = clock.now().getTime();
  const done: string[] = [];
  let failuresLeft = failures;
  const note = (what: string, handles: readonly string[]): void => {
    done.push(`${(clock.now().getTime() - start) / 1_000} ${what} ${handles.join(' ')}`);
  };
  const renewal = new LeaseRenewal({
    clock,
    renew: async (leases) => {
      const handles = leases.map((lease) => lease.receiptHandle);
      failuresLeft -= 1;
      note(failuresLeft >= 0 ? 'fails' : 'renew', handles);
      if (failuresLeft >= 0) throw new Error('no answer');
      return handles.filter((handle) => lapsed.includes(handle));
    },
    giveBack: async (handles) => note('return', handles),
  });
  return { clock, done, renewal, advance: (seconds: number) => clock.advance(seconds, () => renewal.idle()) };
}

it('renews a long lease after half of each hiding, and gives it back when it ends', async () => {
  const { renewal, done, advance, clock } = setup();

  renewal.keep('a', { seconds: 200, hiddenSeconds: 60 });
  await advance(1_000);

  expect(done).toEqual(['30 renew a', '60 renew a', '90 renew a', '120 renew a', '150 renew a', '200 return a']);
  expect([renewal.size, clock.pending]).toEqual([0, 0]);
});

it('does not renew a lease that ends while its message is hidden, and returns it on time', async () => {
  const { renewal, done, advance } = setup();

  renewal.keep('a', { seconds: 5, hiddenSeconds: 60 });
  await advance(1_000);

  expect(done).toEqual(['5 return a']);
});

it('forgets what is settled, and leaves no timer behind', async () => {
  const { renewal, done, advance, clock } = setup();
  renewal.keep('a', { seconds: 300, hiddenSeconds: 60 });
  renewal.keep('b', { seconds: 300, hiddenSeconds: 60 });

  expect([renewal.forget('a'), renewal.forget('a')]).toEqual([true, false]);
  await advance(31);
  renewal.stop();
  await advance(1_000);

  expect(done).toEqual(['30 renew b']);
  expect(clock.pending).toBe(0);
});

it('renews together what is due together', async () => {
  const { renewal, done, advance } = setup();
  renewal.keep('a', { seconds: 80, hiddenSeconds: 60 });
  await advance(0.5);
  renewal.keep('b', { seconds: 80, hiddenSeconds: 60 });

  await advance(60);

  expect(done).toEqual(['30 renew a b']);
});

it('tries again, while the message is still hidden, when a renewal fails', async () => {
  const { renewal, done, advance } = setup({ failures: 2 });

  renewal.keep('a', { seconds: 100, hiddenSeconds: 60 });
  await advance(60);

  expect(done).toEqual(['30 fails a', '36 fails a', '42 renew a']);
});

it('lets go of a message that is not ours any more', async () => {
  const { renewal, done, advance } = setup({ lapsed: ['a'] });
  renewal.keep('a', { seconds: 300, hiddenSeconds: 60 });
  renewal.keep('b', { seconds: 70, hiddenSeconds: 60 });

  await advance(1_000);

  expect(done).toEqual(['30 renew a b', '70 return b']);
});

it('takes a new end for a lease that it keeps', async () => {
  const { renewal, done, advance } = setup();
  renewal.keep('a', { seconds: 300, hiddenSeconds: 60 });

  renewal.keep('a', { seconds: 10, hiddenSeconds: 60 });
  await advance(1_000);

  expect(done).toEqual(['10 return a']);
});
