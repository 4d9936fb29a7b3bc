import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { BlobStore } from '../../core/ports.ts';

const text = async (blobs: BlobStore, key: string): Promise<string> => new TextDecoder().decode(await blobs.get(key));

/** @param setup an empty store */
export function describeBlobStoreContract(name: string, setup: () => Promise<BlobStore>): void {
  describe(`BlobStore: ${name}`, () => {
    it('gives back the text that was put', async () => {
      const blobs = await setup();

      await blobs.put('jobs/job_1/inputs/0.jsonl', '{"a":"🐟"}\n', 'application/x-ndjson');

      expect(await text(blobs, 'jobs/job_1/inputs/0.jsonl')).toBe('{"a":"🐟"}\n');
    });

    it('gives back the bytes that were put, and no later change of them', async () => {
      const blobs = await setup();
      const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => n % 256);
      const expected = Uint8Array.from(bytes);

      await blobs.put('blob', bytes, 'application/octet-stream');
      bytes.fill(0);

      expect(Buffer.compare((await blobs.get('blob')) ?? new Uint8Array(), expected)).toBe(0);
    });

    it('has nothing under a key that was never put', async () => {
      const blobs = await setup();

      expect(await blobs.get('nothing')).toBeUndefined();
    });

    it('keeps an empty blob apart from none', async () => {
      const blobs = await setup();

      await blobs.put('empty', '', 'text/plain');

      expect(await blobs.get('empty')).toEqual(new Uint8Array());
    });

    it('replaces what is put again', async () => {
      const blobs = await setup();
      await blobs.put('blob', 'first, and longer', 'text/plain');

      await blobs.put('blob', 'second', 'text/plain');

      expect(await text(blobs, 'blob')).toBe('second');
    });

    it('takes and gives a stream of bytes, a lot of them and none', async () => {
      const blobs = await setup();
      const piece = Uint8Array.from({ length: 100_000 }, (_, n) => n % 251);
      const pieces = async function* (count: number) {
        for (let n = 0; n < count; n += 1) yield piece;
      };

      await blobs.putStream('large', { bytes: 1_200_000, chunks: pieces(12) }, 'application/octet-stream');
      await blobs.putStream('empty', { bytes: 0, chunks: pieces(0) }, 'application/octet-stream');

      const large = await blobs.getStream('large');
      expect(large?.bytes).toBe(1_200_000);
      const streamed = await buffer(large?.chunks ?? pieces(0));
      expect(streamed.equals(Buffer.concat(Array.from({ length: 12 }, () => piece)))).toBe(true);
      expect((await blobs.get('large'))?.length).toBe(1_200_000);
      expect(await buffer((await blobs.getStream('empty'))?.chunks ?? pieces(1))).toHaveLength(0);
      expect(await blobs.getStream('nothing')).toBeUndefined();
    });

    it('has no bytes beyond the end of a blob', async () => {
      const blobs = await setup();
      await blobs.put('short', 'abc', 'text/plain');
      await blobs.put('empty', '', 'text/plain');

      expect(Buffer.from((await blobs.get('short', { offset: 2, bytes: 10 })) ?? []).toString()).toBe('c');
      expect(await blobs.get('short', { offset: 3, bytes: 1 })).toHaveLength(0);
      expect(await blobs.get('empty', { offset: 0, bytes: 1 })).toHaveLength(0);
      expect(await blobs.get('nothing', { offset: 0, bytes: 1 })).toBeUndefined();
    });

    it('has nothing of a stream that broke off', async () => {
      const blobs = await setup();
      const chunks = (async function* () {
        yield new Uint8Array(70_000);
        throw new Error('the disk is gone');
      })();

      await expect(blobs.putStream('broken', { bytes: 140_000, chunks }, 'text/plain')).rejects.toThrow();

      expect(await blobs.get('broken')).toBeUndefined();
    });

    it('ends a stream that is aborted, and has nothing of it', async () => {
      const blobs = await setup();
      const stop = new AbortController();
      const chunks = (async function* () {
        yield new Uint8Array(70_000);
        stop.abort();
        yield new Uint8Array(70_000);
      })();

      await expect(blobs.putStream('cut', { bytes: 140_000, chunks }, 'text/plain', stop.signal)).rejects.toThrow();

      expect(await blobs.get('cut')).toBeUndefined();
    });

    it('keeps keys apart that differ in what a path would fold', async () => {
      const blobs = await setup();
      const keys = ['a/b', 'a/b ', 'a/b+c', 'a/b c', 'a/B', 'a/b:1@x', 'a/ü'];

      await Promise.all(keys.map((key) => blobs.put(key, key, 'text/plain')));

      expect(await Promise.all(keys.map((key) => text(blobs, key)))).toEqual(keys);
    });
  });
}
