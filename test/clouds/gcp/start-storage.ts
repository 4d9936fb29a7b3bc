/** Starts Cloud Storage on the loopback address: objects by the XML API and what is needed of the JSON API, in memory. */
import { type LoopbackServer, listenOnLoopback } from '../../../local/emulators/protocol/loopback-server.ts';
import { CloudFaults } from './cloud-faults.ts';
import { serve } from './http-front.ts';
import { Buckets } from './storage/buckets.ts';
import { answerStorage, operationOf } from './storage/objects.ts';
import { xmlFailure } from './storage/storage-error.ts';

export interface StorageServer extends LoopbackServer {
  readonly buckets: Buckets;
  readonly faults: CloudFaults;
}

export async function startStorage(options: { port?: number; token?: string } = {}): Promise<StorageServer> {
  const { port = 0, token } = options;
  const buckets = new Buckets();
  const faults = new CloudFaults();
  const handle: Parameters<typeof serve>[2]['handle'] = (request) => answerStorage(request, buckets);
  const server = await listenOnLoopback('Cloud Storage', port, (request, response) => {
    void serve(request, response, { faults, token, failure: (status) => xmlFailure(status), operationOf, handle });
  });
  return { ...server, buckets, faults };
}
