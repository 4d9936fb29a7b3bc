/** The sending side of the status queue on Service Bus; a bridge carries what lies there to SQS. */
import type { StatusEvent } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { statusMessages } from '../status-messages.ts';
import { ServiceBusClient } from './service-bus-client.ts';

export class ServiceBusStatusChannel implements StatusChannel {
  readonly #client: ServiceBusClient;
  readonly #source: string;

  /** @param options.source who publishes: an instance, a bridge */
  constructor(options: { queueUrl: string; source: string; token: AccessToken | null }) {
    this.#client = new ServiceBusClient(options);
    this.#source = options.source;
  }

  async publish(events: readonly StatusEvent[]): Promise<void> {
    await this.#client.send(statusMessages(events, this.#source));
  }
}
