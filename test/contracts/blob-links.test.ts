import { describe, expect, it } from 'vitest';
import { S3BlobLinks } from '../../adapters/aws/s3-blob-links.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeBlobLinksContract } from './blob-links.ts';

describeBlobLinksContract('in memory', async () => {
  const blobs = new InMemoryBlobStore();
  return { blobs, links: blobs };
});

const world = useAwsWorld();
const s3 = async () => {
  const of = { client: world().s3, bucket: await world().bucket() };
  return { blobs: new S3BlobStore(of), links: new S3BlobLinks(of) };
};
describeBlobLinksContract('S3', s3);

describe('a link into S3', () => {
  it('leads nowhere when its time is over', async () => {
    const { blobs, links } = await s3();
    await blobs.put('blob', 'text', 'text/plain');
    const link = new URL(await links.link('blob', 60));
    link.searchParams.set('X-Amz-Date', '20200101T000000Z');

    const answer = await fetch(link);

    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('AccessDenied');
  });
});
