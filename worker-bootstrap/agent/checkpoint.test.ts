import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { type OneTask, runOneTask } from '../testing/run-one-task.ts';

const EARLIER = 'jobs/earlier/checkpoint';
const OWN = `jobs/${jobIdFactory()}/checkpoints/${taskIdFactory()}/2-lease-1`;

/** A store that holds what an earlier attempt left. */
async function storeWith(text: string): Promise<InMemoryBlobStore> {
  const blobs = new InMemoryBlobStore();
  await blobs.put(EARLIER, text, 'application/octet-stream');
  return blobs;
}

const stored = (blobs: InMemoryBlobStore): string[] => blobs.keys().filter((key) => key.includes('checkpoint'));

const textOf = async (blobs: InMemoryBlobStore, key: string) => new TextDecoder().decode(await blobs.get(key));

/** A task that says when it runs, and on SIGTERM does as it is told. */
async function stopped(onTerm: string, task: Partial<OneTask> = {}) {
  const stop = new AbortController();
  const started = join(temporaryFolder(), 'started');
  const script = `trap '${onTerm}; exit 75' TERM; touch ${started}; while :; do sleep 0.02; done`;
  const running = runOneTask({ run: ['sh', '-c', script], attempt: 2, stop: stop.signal, graceSeconds: 5, ...task });
  await until(() => existsSync(started), 'it started');
  stop.abort();
  return running;
}

describe('$SHOAL_CHECKPOINT_FILE', () => {
  it('holds what an earlier attempt left', async () => {
    const blobs = await storeWith('step 7');

    const outcome = await runOneTask({
      run: ['node', '-p', 'JSON.stringify(require("fs").readFileSync(process.env.SHOAL_CHECKPOINT_FILE, "utf8"))'],
      checkpointRef: EARLIER,
      blobs,
    });

    expect(outcome).toMatchObject({ kind: 'completed', result: { json: '"step 7"' } });
    expect(outcome).not.toHaveProperty('checkpoint');
  });

  it.each([{}, { checkpointRef: 'jobs/gone' }])(
    'names no file when there is nothing to go on from: %j',
    async (task) => {
      const outcome = await runOneTask({ run: ['sh', '-c', 'test ! -e "$SHOAL_CHECKPOINT_FILE"; echo $?'], ...task });

      expect(outcome).toMatchObject({ kind: 'completed', result: { json: '0' } });
    },
  );

  it('that cannot be read costs no attempt: the task does not begin anew', async () => {
    const blobs = await storeWith('step 7');
    blobs.getStream = () => Promise.reject(new PermanentError('access denied'));
    const mark = join(temporaryFolder(), 'ran');

    const outcome = await runOneTask({ run: ['touch', mark], checkpointRef: EARLIER, blobs });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'machine', seconds: 0 });
    expect(outcome).toMatchObject({
      reason: expect.stringContaining('the checkpoint could not be read: access denied'),
    });
    expect(existsSync(mark)).toBe(false);
  });

  it('is tried again when the store falters, and never left half written', async () => {
    const blobs = await storeWith('step 7');
    const getStream = blobs.getStream.bind(blobs);
    let tries = 0;
    blobs.getStream = async (key) => {
      tries += 1;
      if (tries > 1) return getStream(key);
      const chunks = (async function* () {
        yield new TextEncoder().encode('step 7 and more that is lost');
        throw new TransientError('the connection broke');
      })();
      return { bytes: 99, chunks };
    };

    const outcome = await runOneTask({
      run: ['sh', '-c', 'printf \'"%s"\' "$(cat "$SHOAL_CHECKPOINT_FILE")"'],
      checkpointRef: EARLIER,
      blobs,
    });

    expect(outcome).toMatchObject({ result: { json: '"step 7"' } });
  });

  it('gives a task back that must stop before it is read', async () => {
    const blobs = await storeWith('step 7');
    const stop = new AbortController();
    const mark = join(temporaryFolder(), 'ran');
    blobs.getStream = (_, signal) => {
      queueMicrotask(() => stop.abort());
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    };

    const given = { run: ['touch', mark], checkpointRef: EARLIER, blobs, stop: stop.signal };

    expect(await runOneTask(given)).toEqual({ kind: 'returned' });
    expect(existsSync(mark)).toBe(false);
  });
});

describe('what a command leaves that had to stop', () => {
  it('is stored beside what earlier attempts left, and goes to the next one', async () => {
    const blobs = await storeWith('step 7');

    const outcome = await stopped('printf "step 9" > "$SHOAL_CHECKPOINT_FILE"', { checkpointRef: EARLIER, blobs });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'interrupted', checkpoint: { blob: OWN, bytes: 6 } });
    expect(await textOf(blobs, OWN)).toBe('step 9');
    expect(await textOf(blobs, EARLIER)).toBe('step 7');
  });

  it('is kept after a timeout too: the policy may want another try', async () => {
    const blobs = new InMemoryBlobStore();

    const outcome = await runOneTask({
      run: ['sh', '-c', 'printf "step 3" > "$SHOAL_CHECKPOINT_FILE"; sleep 60'],
      timeoutSeconds: 0.5,
      attempt: 2,
      blobs,
    });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'timeout' }, checkpoint: { blob: OWN } });
  });

  it('is what was there before, if it wrote nothing: then there is nothing to store', async () => {
    const blobs = await storeWith('step 7');

    const outcome = await stopped(':', { checkpointRef: EARLIER, blobs });

    expect(outcome.kind).toBe('released');
    expect(outcome).not.toHaveProperty('checkpoint');
    expect(stored(blobs)).toEqual([EARLIER]);
  });

  it.each([
    ['is larger than allowed', 'head -c 2000 /dev/zero > "$SHOAL_CHECKPOINT_FILE"'],
    ['is empty', ': > "$SHOAL_CHECKPOINT_FILE"'],
    ['is a link to what is not its own', 'ln -s /etc/hostname "$SHOAL_CHECKPOINT_FILE"'],
    ['is a pipe that nobody writes to', 'mkfifo "$SHOAL_CHECKPOINT_FILE"'],
    ['is a folder', 'mkdir "$SHOAL_CHECKPOINT_FILE"'],
  ])('is not kept if it %s', async (_, onTerm) => {
    const blobs = new InMemoryBlobStore();

    const outcome = await stopped(onTerm, { blobs, maxCheckpointBytes: 1_000 });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'interrupted' });
    expect(outcome).not.toHaveProperty('checkpoint');
    expect(stored(blobs)).toEqual([]);
  });

  it('is not kept when its work is cancelled', async () => {
    const blobs = new InMemoryBlobStore();

    await stopped('echo 1 > "$SHOAL_CHECKPOINT_FILE"', { blobs, stopCause: 'cancelled' });

    expect(stored(blobs)).toEqual([]);
  });

  it('is not needed when the work is finished in the grace', async () => {
    const blobs = new InMemoryBlobStore();

    const outcome = await stopped('echo 1 > "$SHOAL_CHECKPOINT_FILE"; echo 42; exit 0', { blobs });

    expect(outcome).toMatchObject({ kind: 'completed', result: { json: '42' } });
    expect(stored(blobs)).toEqual([]);
  });

  it('is left behind when there is no time to store it: the release must still be heard', async () => {
    const blobs = new InMemoryBlobStore();
    blobs.putStream = (_key, _body, _type, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    const began = performance.now();

    const outcome = await stopped('echo 1 > "$SHOAL_CHECKPOINT_FILE"', { blobs, secondsLeft: 5.3 });

    expect(outcome.kind).toBe('released');
    expect(outcome).not.toHaveProperty('checkpoint');
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

describe('a notice', () => {
  it('leaves half of its time to the command, however long its grace, and half to what it saved', async () => {
    const log = join(temporaryFolder(), 'log');
    const began = performance.now();

    const outcome = await stopped(`echo asked > ${log}; while :; do sleep 0.05; done`, {
      graceSeconds: 60,
      secondsLeft: 0.6,
    });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'interrupted' });
    expect(readFileSync(log, 'utf8')).toBe('asked\n');
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
