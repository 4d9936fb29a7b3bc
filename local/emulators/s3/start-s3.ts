import { FAULTS_PATH, faultSwitch } from '../faults/fault-switch.ts';
import { Faults } from '../faults/faults.ts';
import { withFaults } from '../faults/with-faults.ts';
import { type LoopbackServer, listenOnLoopback } from '../protocol/loopback-server.ts';
import { COUNTS_PATH, countsTeller, RequestCounts } from '../protocol/request-counts.ts';
import { BucketStore } from './bucket-store.ts';
import { s3Injections } from './s3-faults.ts';
import { answerS3, createS3Handler } from './s3-service.ts';

/** Starts S3 on the loopback address over a folder, which keeps its buckets across restarts. */
export async function startS3(options: { port: number; folder: string; faults?: Faults }): Promise<LoopbackServer> {
  const { faults = new Faults() } = options;
  const handle = withFaults('s3', faults, s3Injections, createS3Handler(await BucketStore.open(options.folder)));
  const counts = new RequestCounts();
  return listenOnLoopback('S3', options.port, (request, response) => void answerS3(handle, request, response, counts), {
    [COUNTS_PATH]: countsTeller('S3', counts),
    [FAULTS_PATH]: faultSwitch(faults),
  });
}
