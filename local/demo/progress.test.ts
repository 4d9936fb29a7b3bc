import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ProgressLine, progressText } from './progress.ts';

const counters = { pending: 12, running: 2, completed: 9, failed: 1, cancelled: 0 };
const instances = [
  { instanceId: 'a', state: 'READY' },
  { instanceId: 'b', state: 'BOOTING' },
  { instanceId: 'c', state: 'READY' },
];

describe('the progress of a job', () => {
  it('says status, share, counts and machines in one line of a terminal', () => {
    const text = progressText({ status: 'RUNNING', counters }, instances);
    expect(text).toBe('RUNNING   ██████░░░░░░░░░░ 9/24 done, 2 running, 1 failed · machines: 2 READY, 1 BOOTING');
    const usual = progressText({ status: 'COMPLETED', counters: { ...counters, failed: 0, running: 0 } }, instances);
    expect(`100.0 s  ${usual}`.length).toBeLessThan(80);
  });

  it('is not divided by nothing', () => {
    const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    expect(progressText({ status: 'PENDING', counters: none }, [])).toContain('0/0 done · machines: none');
  });
});

describe('the progress line', () => {
  function written(isTTY: boolean): string {
    const stream = new PassThrough();
    const line = new ProgressLine(Object.assign(stream, { isTTY, columns: 20 }) as unknown as NodeJS.WriteStream); // what it uses of one
    for (const text of ['one', 'one', 'two that is far too long']) line.show(text);
    line.end();
    return String(stream.read());
  }

  it('is redrawn on a terminal, never wider than it', () => {
    const drawn = written(true).split('\r\u001b[K');
    expect(drawn.map((line) => line.length)).toEqual([0, 12, 12, 20]);
  });

  it('is a line a change elsewhere', () => {
    expect(written(false)).toMatch(/^ +\d\.\d s {2}one\n +\d\.\d s {2}two that is far too long\n$/);
  });
});
