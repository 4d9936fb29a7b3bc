import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as s3 from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startS3 } from '../../../local/emulators/s3/start-s3.ts';
import { clientConfig } from './client-config.ts';

const Bucket = 'blobs';
let folder: string;
let server: Awaited<ReturnType<typeof startS3>>;
let client: s3.S3Client;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-s3-test-'));
  server = await startS3({ port: 0, folder: join(folder, 's3') });
  client = new s3.S3Client(clientConfig(server.url));
  await client.send(new s3.CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await server.stop();
  await rm(folder, { recursive: true });
});

const put = (
  Key: string,
  Body: NonNullable<s3.PutObjectCommandInput['Body']>,
  more: Partial<s3.PutObjectCommandInput> = {},
) => client.send(new s3.PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = (Key: string, more: Partial<s3.GetObjectCommandInput> = {}) =>
  client.send(new s3.GetObjectCommand({ Bucket, Key, ...more }));
const text = async (Key: string, more: Partial<s3.GetObjectCommandInput> = {}) =>
  (await get(Key, more)).Body?.transformToString();
const list = (more: Partial<s3.ListObjectsV2CommandInput> = {}) =>
  client.send(new s3.ListObjectsV2Command({ Bucket, ...more }));
const keysOf = (page: s3.ListObjectsV2CommandOutput) => page.Contents?.map((object) => object.Key) ?? [];
const md5 = (data: string | Buffer) => `"${createHash('md5').update(data).digest('hex')}"`;

describe('S3 objects', () => {
  it('come back as they were put, with ETag, type and metadata', async () => {
    const { ETag } = await put('plain', 'hello', {
      ContentType: 'text/plain',
      ContentEncoding: 'identity',
      Metadata: { origin: 'test' },
    });
    expect(ETag).toBe(md5('hello'));
    const object = await get('plain');
    expect(await object.Body?.transformToString()).toBe('hello');
    expect(object).toMatchObject({ ETag, ContentType: 'text/plain', ContentEncoding: 'identity', ContentLength: 5 });
    expect(object.Metadata).toEqual({ origin: 'test' });
    const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: 'plain' }));
    expect(head).toMatchObject({ ETag, ContentLength: 5, LastModified: object.LastModified });
  });

  it('may be empty', async () => {
    await put('empty', '', { ContentLength: 0 });
    expect(await text('empty')).toBe('');
  });

  it('may be streams of several megabytes, sent in aws-chunked form with a trailing checksum', async () => {
    const data = randomBytes(3_000_000);
    const pieces = Array.from({ length: 30 }, (_, index) => data.subarray(index * 100_000, (index + 1) * 100_000));
    const { ETag } = await put('stream', Readable.from(pieces), { ContentLength: data.length });
    expect(ETag).toBe(md5(data));
    const object = await get('stream');
    expect(object.ContentEncoding).toBeUndefined();
    expect(Buffer.from((await object.Body?.transformToByteArray()) ?? []).equals(data)).toBe(true);
  });

  it('are refused when the body does not match its checksum, and nothing is stored', async () => {
    await expect(put('corrupt', 'body', { ChecksumCRC32: 'AAAAAA==' })).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(get('corrupt')).rejects.toBeInstanceOf(s3.NoSuchKey);
  });

  it('are read in ranges', async () => {
    await put('range', '0123456789');
    const part = await get('range', { Range: 'bytes=2-4' });
    expect(part).toMatchObject({ ContentRange: 'bytes 2-4/10', ContentLength: 3, $metadata: { httpStatusCode: 206 } });
    expect(await part.Body?.transformToString()).toBe('234');
    expect(await text('range', { Range: 'bytes=7-' })).toBe('789');
    expect(await text('range', { Range: 'bytes=-2' })).toBe('89');
    expect(await text('range', { Range: 'bytes=8-99' })).toBe('89');
    await expect(text('range', { Range: 'bytes=10-' })).rejects.toMatchObject({ name: 'InvalidRange' });
  });

  it('answer 304 to those who have the current version', async () => {
    const { ETag } = await put('cached', 'v1');
    await expect(get('cached', { IfNoneMatch: ETag })).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
    await put('cached', 'v2');
    expect(await text('cached', { IfNoneMatch: ETag })).toBe('v2');
    await expect(get('cached', { IfMatch: ETag })).rejects.toMatchObject({ name: 'PreconditionFailed' });
  });

  it('are created by one of many with If-None-Match, and replaced by one of many with If-Match', async () => {
    const create = await Promise.allSettled(
      ['a', 'b', 'c'].map((body) => put('contended', body, { IfNoneMatch: '*' })),
    );
    const replace = async () => {
      const { ETag } = await client.send(new s3.HeadObjectCommand({ Bucket, Key: 'contended' }));
      return Promise.allSettled(['d', 'e', 'f'].map((body) => put('contended', body, { IfMatch: ETag })));
    };
    for (const outcomes of [create, await replace()]) {
      expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'PreconditionFailed' });
      }
    }
    await expect(put('absent', 'x', { IfMatch: md5('y') })).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('are never seen half-written while they are replaced', async () => {
    const versions = ['a'.repeat(200_000), 'b'.repeat(200_000)] as const;
    await put('replaced', versions[0]);
    const writes = Array.from({ length: 20 }, (_, index) =>
      put('replaced', index % 2 === 0 ? versions[0] : versions[1]),
    );
    const reads = Array.from({ length: 40 }, async () => {
      const object = await get('replaced');
      const body = (await object.Body?.transformToString()) ?? '';
      expect(object.ETag).toBe(md5(body));
      expect(versions).toContain(body);
    });
    await Promise.all([...writes, ...reads]);
    const bodyFiles = await readdir(join(folder, 's3', Bucket, 'bodies'));
    expect(bodyFiles).toHaveLength(keysOf(await list()).length);
  });

  it('may have any key, and none leaves the folder', async () => {
    const keys = [
      '../../escape',
      '/absolute',
      'a/../b',
      'schön/日本 +%20&<>.json',
      '..',
      'a//b',
      'quote\'"s',
      '😀',
      '￿',
    ];
    for (const key of keys) await put(`hostile/${key}`, key);
    await put('../../escape', 'dots');
    for (const key of keys) expect(await text(`hostile/${key}`)).toBe(key);
    expect(await text('../../escape')).toBe('dots');
    const listed = keysOf(await list({ Prefix: 'hostile/' }));
    const inByteOrder = keys
      .map((key) => `hostile/${key}`)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(listed).toEqual(inByteOrder);
    expect(await readdir(folder)).toEqual(['s3']);
    expect((await readdir(join(folder, 's3'))).sort()).toEqual([Bucket]);
  });

  it('are deleted, one or many, and deleting what is not there succeeds', async () => {
    await Promise.all(['d/1', 'd/2', 'd/<3>'].map((key) => put(key, key)));
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key: 'd/1' }));
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key: 'd/1' }));
    const Objects = ['d/2', 'd/<3>', 'd/none'].map((Key) => ({ Key }));
    const { Deleted } = await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(Deleted).toHaveLength(3);
    expect(keysOf(await list({ Prefix: 'd/' }))).toEqual([]);
    await expect(client.send(new s3.HeadObjectCommand({ Bucket, Key: 'd/2' }))).rejects.toBeInstanceOf(s3.NotFound);
  });
});

describe('S3 listings', () => {
  it('go by prefix, in pages', async () => {
    const keys = Array.from({ length: 7 }, (_, index) => `pages/${index}`);
    await Promise.all([...keys, 'pagesX'].map((key) => put(key, key)));
    const seen: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    let pages = 0;
    do {
      const page = await list({ Prefix: 'pages/', MaxKeys: 3, ContinuationToken });
      seen.push(...keysOf(page));
      ContinuationToken = page.NextContinuationToken;
      expect(page.IsTruncated).toBe(ContinuationToken !== undefined);
      pages += 1;
    } while (ContinuationToken !== undefined);
    expect(seen).toEqual(keys);
    expect(pages).toBe(3);
    expect(keysOf(await list({ Prefix: 'pages/', StartAfter: 'pages/4' }))).toEqual(['pages/5', 'pages/6']);
  });

  it('fold what lies below a delimiter, across pages too', async () => {
    await Promise.all(['t/a', 't/b/1', 't/b/2', 't/c/1', 't/d'].map((key) => put(key, key)));
    const folded = await list({ Prefix: 't/', Delimiter: '/' });
    expect(keysOf(folded)).toEqual(['t/a', 't/d']);
    expect(folded.CommonPrefixes).toEqual([{ Prefix: 't/b/' }, { Prefix: 't/c/' }]);
    const first = await list({ Prefix: 't/', Delimiter: '/', MaxKeys: 2 });
    expect(first.KeyCount).toBe(2);
    const second = await list({ Prefix: 't/', Delimiter: '/', ContinuationToken: first.NextContinuationToken });
    expect(second.CommonPrefixes).toEqual([{ Prefix: 't/c/' }]);
    expect(keysOf(second)).toEqual(['t/d']);
  });
});

describe('S3', () => {
  it('tells apart what is missing: the bucket or the key', async () => {
    await expect(get('absent')).rejects.toBeInstanceOf(s3.NoSuchKey);
    await expect(client.send(new s3.HeadBucketCommand({ Bucket }))).resolves.toBeDefined();
    await expect(client.send(new s3.HeadBucketCommand({ Bucket: 'nowhere' }))).rejects.toBeInstanceOf(s3.NotFound);
    await expect(
      client.send(new s3.PutObjectCommand({ Bucket: 'nowhere', Key: 'k', Body: 'b' })),
    ).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(client.send(new s3.CreateBucketCommand({ Bucket: 'No_Bucket' }))).rejects.toMatchObject({
      name: 'InvalidBucketName',
    });
  });

  it('answers a URL that carries its signature, without an SDK', async () => {
    const url = `${server.url}/${Bucket}/upload.jsonl?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc&x-amz-checksum-crc32=AAAAAA%3D%3D`;
    const uploaded = await fetch(url, { method: 'PUT', body: '{"n":1}\n' });
    expect([uploaded.status, uploaded.headers.get('etag')]).toEqual([200, md5('{"n":1}\n')]);
    const download = await fetch(`${url}&response-content-type=text/csv`, { headers: { origin: 'http://page' } });
    expect(await download.text()).toBe('{"n":1}\n');
    expect(download.headers.get('content-type')).toBe('text/csv');
    expect(download.headers.get('access-control-allow-origin')).toBe('*');
    const missing = await fetch(`${server.url}/${Bucket}/missing`);
    expect(missing.status).toBe(404);
    expect(await missing.text()).toContain('<Code>NoSuchKey</Code>');
  });

  it('keeps buckets and objects across a restart', async () => {
    await put('kept/ä', 'still here', { Metadata: { a: 'b' } });
    const second = await startS3({ port: 0, folder: join(folder, 's3') });
    const other = new s3.S3Client(clientConfig(second.url));
    const object = await other.send(new s3.GetObjectCommand({ Bucket, Key: 'kept/ä' }));
    expect([await object.Body?.transformToString(), object.Metadata]).toEqual(['still here', { a: 'b' }]);
    other.destroy();
    await second.stop();
  });
});
