import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { onStopSignals } from './stop-signals.ts';

const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let before: Map<string, unknown[]>;
beforeEach(() => {
  before = new Map(NAMES.map((name) => [name, process.listeners(name)]));
});
afterEach(() => {
  for (const name of NAMES) {
    const others = before.get(name) ?? [];
    for (const listener of process.listeners(name)) if (!others.includes(listener)) process.off(name, listener);
  }
  vi.restoreAllMocks();
});

it('takes a Ctrl-C that comes twice at once for one, and a later one for the second', () => {
  const now = vi.spyOn(performance, 'now');
  const first = vi.fn();
  const second = vi.fn();
  onStopSignals(first, second);
  const press = (atMs: number, signal: NodeJS.Signals = 'SIGINT'): void => {
    now.mockReturnValue(atMs);
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)?.includes(listener)) listener(signal);
    }
  };
  press(0);
  press(20);
  expect([first.mock.calls, second.mock.calls.length]).toEqual([[['SIGINT']], 0]);
  press(1_500, 'SIGTERM');
  press(3_000);
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1]);
});
