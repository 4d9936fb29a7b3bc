import { describe, expect, it } from 'vitest';
import { SqsDeadLetterChannel } from '../../adapters/aws/sqs-dead-letter-channel.ts';
import { BlobDeadLetters } from '../../adapters/blob-dead-letters.ts';
import { TransientError } from '../../core/errors.ts';
import type { DeadLetterChannel } from '../../core/ports.ts';
import { ManualClock, START } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeDeadLetterChannelContract } from './dead-letter-channel.ts';
import { drainQueue } from './drain-queue.ts';

describeDeadLetterChannelContract('in memory', async () => {
  const channel = new InMemoryDeadLetterChannel();
  return { channel, letters: async () => channel.letters };
});

type DeadLetter = Parameters<DeadLetterChannel['put']>[0][number];

/** What the blobs of a day hold. */
async function lettersIn(blobs: InMemoryBlobStore): Promise<DeadLetter[]> {
  const texts = await Promise.all(blobs.keys().map((key) => blobs.get(key)));
  return texts.map((text) => {
    const { at, ...letter }: DeadLetter & { at: string } = JSON.parse(Buffer.from(text ?? []).toString());
    expect(at).toBe(START);
    return letter;
  });
}

describeDeadLetterChannelContract('blobs', async () => {
  const blobs = new InMemoryBlobStore();
  return { channel: new BlobDeadLetters({ blobs, clock: new ManualClock() }), letters: async () => lettersIn(blobs) };
});

const world = useAwsWorld();
describeDeadLetterChannelContract('SQS', async () => {
  const queueUrl = await world().queue();
  return {
    channel: new SqsDeadLetterChannel({ client: world().sqs, queueUrl }),
    letters: async () => (await drainQueue(world().sqs, queueUrl)).map((body) => JSON.parse(body)),
  };
});

describe('dead letters in blobs', () => {
  const letter: DeadLetter = { body: '{}', reason: 'v: is missing', source: 'tasks' };

  it('lie under their day, and one that is kept twice on the same day is there once', async () => {
    const blobs = new InMemoryBlobStore();
    const channel = new BlobDeadLetters({ blobs, clock: new ManualClock() });

    await channel.put([letter]);
    await channel.put([letter, { ...letter, reason: 'another' }]);

    expect(blobs.keys()).toHaveLength(2);
    expect(blobs.keys()[0]).toMatch(/^dead-letters\/2026-03-01\/[0-9a-f]{32}\.json$/);
  });

  it('that could not be kept are an error', async () => {
    const blobs = { put: () => Promise.reject(new TransientError('no answer')) };
    const channel = new BlobDeadLetters({ blobs, clock: new ManualClock() });

    await expect(channel.put([letter])).rejects.toThrow(TransientError);
  });
});
