/** The status channel's sending side on Pub/Sub: the bodies that the bridge carries home as they are. */
import type { StatusEvent } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { statusMessages } from '../status-messages.ts';
import { publish } from './pubsub-api.ts';

export class PubSubStatusChannel implements StatusChannel {
  readonly #topicUrl: string;
  readonly #source: string;
  readonly #token: AccessToken | null;

  /** @param options.source who publishes: an instance, a bridge */
  constructor(options: { topicUrl: string; source: string; token: AccessToken | null }) {
    this.#topicUrl = options.topicUrl;
    this.#source = options.source;
    this.#token = options.token;
  }

  publish(events: readonly StatusEvent[]): Promise<void> {
    return publish(this.#topicUrl, statusMessages(events, this.#source), this.#token);
  }
}
