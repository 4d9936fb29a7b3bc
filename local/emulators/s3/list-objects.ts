import type { Bucket } from './bucket.ts';
import { compareKeys } from './compare-keys.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { formatXml, type XmlElement } from './xml.ts';

interface Page {
  readonly keys: string[];
  readonly commonPrefixes: string[];
  /** The last key or common prefix of this page; the next page starts after it. */
  last: string | undefined;
  readonly isTruncated: boolean;
}

/** `ListObjectsV2`. A continuation token is the last name of the page before, encoded. */
export function listObjects({ bucket: name, query }: S3Call, bucket: Bucket): string {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const maxKeys = Math.min(Number(query.get('max-keys') ?? 1000), 1000);
  if (!Number.isInteger(maxKeys) || maxKeys < 0) throw new S3Error(400, 'InvalidArgument', 'max-keys is not a number');
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString('utf8');
  const page = collect(bucket.keys(), { prefix, delimiter, maxKeys, after });
  // SDKs ask for URL encoding, because XML cannot carry every key.
  const encode = query.get('encoding-type') === 'url' ? encodeKey : (text: string) => text;
  return formatXml('ListBucketResult', {
    Name: name,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: maxKeys,
    KeyCount: page.keys.length + page.commonPrefixes.length,
    IsTruncated: page.isTruncated,
    ContinuationToken: token ?? undefined,
    EncodingType: query.get('encoding-type') ?? undefined,
    NextContinuationToken: page.isTruncated ? Buffer.from(page.last ?? '').toString('base64url') : undefined,
    Contents: page.keys.map((key) => describe(bucket, key, encode)),
    CommonPrefixes: page.commonPrefixes.map((common) => ({ Prefix: encode(common) })),
  });
}

function collect(
  sorted: readonly string[],
  query: { prefix: string; delimiter: string; maxKeys: number; after: string },
): Page {
  const { prefix, delimiter, maxKeys, after } = query;
  const page: Omit<Page, 'isTruncated'> = { keys: [], commonPrefixes: [], last: undefined };
  const from = compareKeys(after, prefix) > 0 ? after : prefix;
  for (let index = firstAtOrAfter(sorted, from); index < sorted.length; index += 1) {
    const key = sorted[index] ?? '';
    if (!key.startsWith(prefix)) break;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut === -1 ? key : key.slice(0, cut + delimiter.length);
    const isSeen = name === page.last || compareKeys(name, after) <= 0;
    if (isSeen) continue;
    if (page.keys.length + page.commonPrefixes.length === maxKeys) return { ...page, isTruncated: maxKeys > 0 };
    (cut === -1 ? page.keys : page.commonPrefixes).push(name);
    page.last = name;
  }
  return { ...page, isTruncated: false };
}

/** Where a sorted list reaches the given key, by bisection. */
function firstAtOrAfter(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(sorted[middle] ?? '', key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function describe(bucket: Bucket, key: string, encode: (text: string) => string): XmlElement {
  const object = bucket.find(key);
  return {
    Key: encode(key),
    LastModified: new Date(object?.lastModified ?? 0).toISOString(),
    ETag: `"${object?.etag}"`,
    Size: object?.size,
    StorageClass: 'STANDARD',
  };
}

function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/');
}
