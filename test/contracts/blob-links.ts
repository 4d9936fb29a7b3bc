import { describe, expect, it } from 'vitest';
import type { BlobLinks, BlobStore } from '../../core/ports.ts';

/** @param setup an empty store, and links into it */
export function describeBlobLinksContract(
  name: string,
  setup: () => Promise<{ blobs: BlobStore; links: BlobLinks }>,
): void {
  describe(`BlobLinks: ${name}`, () => {
    it.each(['jobs/job_1/results/0.json', 'a/b c+d:1@x/ü'])('lets anybody read the blob: %s', async (key) => {
      const { blobs, links } = await setup();
      await blobs.put(key, '{"a":"🐟"}', 'application/json');

      const answer = await fetch(await links.link(key, 3_600));

      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(await answer.text()).toBe('{"a":"🐟"}');
    });
  });
}
