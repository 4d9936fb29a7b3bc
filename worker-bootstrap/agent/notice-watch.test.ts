import { describe, expect, it } from 'vitest';
import { until } from '../../adapters/local/testing/until.ts';
import type { InstanceNotice, NoticeSource } from '../../core/ports.ts';
import { systemClock } from './clock.ts';
import { Lifecycle } from './lifecycle.ts';
import { createJsonLog } from './log.ts';
import { watchNotices } from './notice-watch.ts';

/** Says one thing after the other; then the question stays open, as at boot on Azure, until it is withdrawn. */
function watched(...answers: (InstanceNotice | null | Error)[]) {
  const lifecycle = new Lifecycle();
  const lines: string[] = [];
  let asked = 0;
  let letGo = 0;
  const source: NoticeSource = {
    pauseSeconds: 0.01,
    next: async (signal) => {
      const answer = answers[asked];
      asked += 1;
      if (answer instanceof Error) throw answer;
      if (answer !== undefined) return answer;
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('withdrawn'))));
      return null;
    },
    letGo: async () => {
      letGo += 1;
    },
  };
  const log = createJsonLog((line) => lines.push(line), systemClock, {});
  const watch = watchNotices(source, { lifecycle, clock: systemClock, random: () => 0, log });
  return { lifecycle, watch, lines, asked: () => asked, letGo: () => letGo };
}

const INTERRUPTION: InstanceNotice = { kind: 'interruption', secondsLeft: 100, reason: 'spot interruption: test' };

describe('an interruption notice', () => {
  it('interrupts the machine, which knows how long it has', async () => {
    const { lifecycle, watch, letGo } = watched(null, INTERRUPTION);

    await until(() => lifecycle.interrupting.aborted, 'it is interrupted');

    expect(lifecycle).toMatchObject({ reason: 'spot interruption: test', cause: 'interrupted', isTakenBack: true });
    expect(lifecycle.secondsLeft).toBeGreaterThan(95);
    expect(letGo()).toBe(0);
    // When all is reported, the provider need not wait.
    await watch.end();
    expect(letGo()).toBe(1);
  });

  it('comes after a rebalance recommendation, which only drains', async () => {
    const { lifecycle, watch } = watched({ kind: 'rebalance', reason: 'rebalance' }, INTERRUPTION);

    await until(() => lifecycle.draining.aborted, 'it drains');
    await until(() => lifecycle.isTakenBack, 'it is interrupted');

    expect(lifecycle.reason).toBe('rebalance');
    await watch.end();
  });

  it('comes after answers that never came: one line tells of them', async () => {
    const { lifecycle, watch, lines } = watched(new Error('refused'), new Error('refused'), INTERRUPTION);

    await until(() => lifecycle.isTakenBack, 'it is interrupted');

    expect(lines.filter((line) => line.includes('cannot be asked'))).toHaveLength(1);
    await watch.end();
  });
});

describe('a machine that ends by itself', () => {
  it('does not wait for an answer that takes minutes (lesson 35), and lets nobody take it', async () => {
    const { lifecycle, watch, asked, letGo } = watched();
    await until(() => asked() === 1, 'it is asked from boot on');

    await watch.end();

    expect(lifecycle.draining.aborted).toBe(false);
    expect(letGo()).toBe(0);
  });
});
