/** Service Bus in this process, on the loopback address only: one broker behind REST and AMQP. Faults are of REST. */
import { backgroundClock, type TimerClock } from '../../../../adapters/timer-clock.ts';
import { AzureFaults, type AzureOperation } from '../azure-faults.ts';
import { serveServiceBusAmqp } from './amqp-front.ts';
import { ServiceBusBroker } from './broker.ts';
import { serveServiceBusRest } from './rest-front.ts';

export interface ServiceBusOptions {
  readonly restPort?: number;
  readonly amqpPort?: number;
  /** By it locks end and scheduled messages come due. */
  readonly clock?: TimerClock;
  readonly faults?: AzureFaults;
  /** What REST callers must bring; without it nothing. */
  readonly token?: string;
}

export interface RunningServiceBus {
  /** Without a trailing slash. */
  readonly restUrl: string;
  /** For `@azure/service-bus`. */
  readonly connectionString: string;
  readonly broker: ServiceBusBroker;
  readonly faults: AzureFaults;
  /** How often REST was asked. */
  readonly calls: ReadonlyMap<AzureOperation, number>;
  stop(): Promise<void>;
}

export async function startServiceBus(options: ServiceBusOptions = {}): Promise<RunningServiceBus> {
  const { restPort = 0, amqpPort = 0, clock = backgroundClock, faults = new AzureFaults(), token } = options;
  const broker = new ServiceBusBroker(clock);
  const calls = new Map<AzureOperation, number>();
  const onCall = (operation: AzureOperation): void => void calls.set(operation, (calls.get(operation) ?? 0) + 1);
  const [rest, amqp] = await Promise.all([
    serveServiceBusRest({ port: restPort, broker, faults, token, onCall }),
    serveServiceBusAmqp(broker, amqpPort),
  ]);
  const endpoint = `sb://127.0.0.1:${amqp.port}`;
  const connectionString = `Endpoint=${endpoint};SharedAccessKeyName=any;SharedAccessKey=any;UseDevelopmentEmulator=true;`;
  const stop = async (): Promise<void> => {
    await Promise.all([rest.stop(), amqp.stop()]);
  };
  return { restUrl: rest.url, connectionString, broker, faults, calls, stop };
}
