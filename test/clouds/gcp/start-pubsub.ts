/** Starts Pub/Sub on the loopback address: REST on one port, gRPC on another, in memory. */
import { type LoopbackServer, listenOnLoopback } from '../../../local/emulators/protocol/loopback-server.ts';
import { CloudFaults } from './cloud-faults.ts';
import { serve } from './http-front.ts';
import { Broker } from './pubsub/broker.ts';
import { startGrpc } from './pubsub/grpc.ts';
import { pushFrom } from './pubsub/push.ts';
import { answerRest, failure, operationOf } from './pubsub/rest.ts';
import { realTime, type ServerTime } from './server-time.ts';

export interface PubSubServer extends LoopbackServer {
  /** For clients that speak gRPC: `PUBSUB_EMULATOR_HOST`. */
  readonly grpcHost: string | null;
  readonly broker: Broker;
  readonly faults: CloudFaults;
}

export interface PubSubOptions {
  readonly port?: number;
  /** `null`: REST only. */
  readonly grpcPort?: number | null;
  readonly time?: ServerTime;
  /** Requests over REST need this bearer token. */
  readonly token?: string;
}

export async function startPubSub(options: PubSubOptions = {}): Promise<PubSubServer> {
  const { port = 0, grpcPort = 0, time = realTime, token } = options;
  const broker = new Broker(time);
  const faults = new CloudFaults();
  const pushes: (() => void)[] = [];
  broker.onSubscription = (subscription) => {
    if (subscription.config.pushEndpoint) pushes.push(pushFrom(subscription, subscription.config.pushEndpoint));
  };
  const handle: Parameters<typeof serve>[2]['handle'] = (request) => answerRest(request, broker, time);
  const rest = await listenOnLoopback('Pub/Sub', port, (request, response) => {
    void serve(request, response, { faults, token, failure, operationOf, handle });
  });
  const grpc = grpcPort === null ? null : await startGrpc(broker, time, grpcPort);
  const stop = async (): Promise<void> => {
    for (const end of pushes) end();
    grpc?.stop();
    await rest.stop();
  };
  return { ...rest, stop, grpcHost: grpc?.host ?? null, broker, faults };
}
