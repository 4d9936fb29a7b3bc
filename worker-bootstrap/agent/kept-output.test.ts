import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { type OneTask, runOneTask } from '../testing/run-one-task.ts';
import { KeptOutput } from './kept-output.ts';

describe('the output that is kept', () => {
  it('is all of it, or its beginning and its end with what lies between counted', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(pieces, fc.integer({ min: 8, max: 400 }), (parts, limit) => {
        const kept = new KeptOutput(limit);
        for (const part of parts) kept.append(Buffer.from(part));
        const all = Buffer.concat(parts);

        const rendered = kept.render();

        expect(kept.bytes).toBe(all.length);
        expect(kept.isTruncated).toBe(all.length > limit);
        const head = Math.floor(limit / 4);
        const gap = Buffer.from(`\n… ${all.length - limit} bytes are left out here …\n`);
        const ends = [all.subarray(0, head), gap, all.subarray(all.length - (limit - head))];
        expect(rendered.equals(all.length <= limit ? all : Buffer.concat(ends))).toBe(true);
      }),
    );
  });
});

async function outputOf(script: string, task: Omit<OneTask, 'run'> = {}) {
  const blobs = task.blobs ?? new InMemoryBlobStore();
  const outcome = await runOneTask({ ...task, blobs, run: ['sh', '-c', script] });
  const log = 'log' in outcome ? outcome.log : undefined;
  const bytes = log && (await blobs.get(log.blob));
  return { outcome, log, text: bytes && Buffer.from(bytes).toString() };
}

describe('what a command prints', () => {
  it.each([
    ['nothing', ':', undefined],
    ['its result only', 'echo "{}"', undefined],
    ['its result among blank lines', 'echo; echo "  "; echo 1; echo', undefined],
    ['more than its result', 'echo before; echo 1', 'before\n1\n'],
    ['on stderr', 'echo oops >&2; echo 1', expect.stringMatching(/oops/)],
    ['no JSON', 'echo done', 'done\n'],
    ['beside a result file', 'echo 1; echo 2 > "$SHOAL_RESULT_FILE"', '1\n'],
    ['before it fails', 'echo working; exit 3', 'working\n'],
  ])('is kept unless it is the result: %s', async (_what, script, text) => {
    expect((await outputOf(script)).text).toEqual(text);
  });

  it('says where it lies, and how much of it there is', async () => {
    const { outcome, log, text } = await outputOf('seq 1 1000; echo the end; exit 1', { maxLogBytes: 400 });

    expect(outcome.kind).toBe('failed');
    expect(log).toEqual({
      blob: expect.stringMatching(/\/logs\/.*\/1-lease-1$/),
      bytes: expect.any(Number),
      truncated: true,
    });
    expect(text).toMatch(/^1\n2\n3\n.*… \d+ bytes are left out here ….*1000\nthe end\n$/s);
  });

  it('does not fail the task when it cannot be stored', async () => {
    const blobs = new InMemoryBlobStore();
    const { PermanentError } = await import('../../core/errors.ts');
    blobs.put = () => Promise.reject(new PermanentError('no'));

    expect((await outputOf('echo noise; echo 1', { blobs })).outcome).toMatchObject({
      kind: 'completed',
      result: { json: '1' },
    });
  });

  it.each(['yes', 'yes >&2', 'tr "\\0" x < /dev/zero', 'tr "\\0" "[" < /dev/zero'])(
    'in a flood costs the agent neither its CPU nor its memory: %s',
    async (script) => {
      const before = { cpu: process.cpuUsage(), rss: process.memoryUsage().rss };

      const { outcome, text } = await outputOf(script, { timeoutSeconds: 3 });

      const { user, system } = process.cpuUsage(before.cpu);
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'timeout' } });
      expect((user + system) / 3e6).toBeLessThan(0.5);
      expect(process.memoryUsage().rss - before.rss).toBeLessThan(150e6);
      expect(Buffer.byteLength(text ?? '')).toBeLessThan(257 * 1024);
    },
  );
});
