import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket } from './bucket.ts';
import { S3Error } from './s3-error.ts';

/** S3's rule for names, which also keeps them from being anything but one plain folder name. */
const bucketName = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The buckets under one folder. */
export class BucketStore {
  readonly #folder: string;
  readonly #buckets = new Map<string, Promise<Bucket>>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<BucketStore> {
    const store = new BucketStore(folder);
    await mkdir(folder, { recursive: true });
    const names = (await readdir(folder)).filter((name) => bucketName.test(name));
    await Promise.all(names.map((name) => store.create(name)));
    return store;
  }

  /** Creates a bucket; one that is there already stays as it is, as in us-east-1. */
  create(name: string): Promise<Bucket> {
    if (!bucketName.test(name)) throw new S3Error(400, 'InvalidBucketName', 'The specified bucket is not valid.');
    const present = this.#buckets.get(name);
    if (present !== undefined) return present;
    const bucket = Bucket.open(join(this.#folder, name));
    this.#buckets.set(name, bucket);
    return bucket;
  }

  /** @throws {S3Error} `NoSuchBucket` */
  find(name: string): Promise<Bucket> {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
    return bucket;
  }

  names(): string[] {
    return [...this.#buckets.keys()].sort();
  }
}
