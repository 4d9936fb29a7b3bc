/** Service Bus in this process, on the loopback address only. */
import { backgroundClock, type TimerClock } from '../../../../adapters/timer-clock.ts';
import { AzureFaults, type AzureOperation } from '../azure-faults.ts';
import { ServiceBusBroker } from './broker.ts';
import { serveServiceBusRest } from './rest-front.ts';

export interface ServiceBusOptions {
  readonly restPort?: number;
  /** By it locks end and scheduled messages come due. */
  readonly clock?: TimerClock;
  readonly faults?: AzureFaults;
  /** What REST callers must bring; without it nothing. */
  readonly token?: string;
}

export interface RunningServiceBus {
  /** Without a trailing slash. */
  readonly restUrl: string;
  readonly broker: ServiceBusBroker;
  readonly faults: AzureFaults;
  /** How often REST was asked. */
  readonly calls: ReadonlyMap<AzureOperation, number>;
  stop(): Promise<void>;
}

export async function startServiceBus(options: ServiceBusOptions = {}): Promise<RunningServiceBus> {
  const { restPort = 0, clock = backgroundClock, faults = new AzureFaults(), token } = options;
  const broker = new ServiceBusBroker(clock);
  const calls = new Map<AzureOperation, number>();
  const onCall = (operation: AzureOperation): void => void calls.set(operation, (calls.get(operation) ?? 0) + 1);
  const rest = await serveServiceBusRest({ port: restPort, broker, faults, token, onCall });
  return { restUrl: rest.url, broker, faults, calls, stop: () => rest.stop() };
}
