import { type LoopbackServer, listenOnLoopback } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { BucketStore } from './bucket-store.ts';
import { answerS3, createS3Handler } from './s3-service.ts';

/** Starts S3 on the loopback address over a folder, which keeps its buckets across restarts. */
export async function startS3(options: { port: number; folder: string }): Promise<LoopbackServer> {
  const handle = createS3Handler(await BucketStore.open(options.folder));
  const counts = new RequestCounts();
  return listenOnLoopback(
    'S3',
    options.port,
    (request, response) => void answerS3(handle, request, response, counts),
    counts,
  );
}
