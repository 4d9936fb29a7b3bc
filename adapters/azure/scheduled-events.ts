/**
 * What Azure tells a machine: scheduled events. `Preempt` comes 30 s ahead at least (Azure, "Scheduled Events for Linux
 * VMs"). The first question switches the events on for the machine, and may wait two minutes for its answer: so it is to
 * be asked from boot on.
 */
import { z } from 'zod';
import type { Clock, InstanceNotice, NoticeSource } from '../../core/ports.ts';
import { askMetadata, unexpected } from '../metadata/metadata-server.ts';

const AZURE_METADATA_URL = 'http://169.254.169.254';

const HEADERS = { metadata: 'true' } as const;
const FIRST_ANSWER_MS = 150_000;
const NOTICE_SECONDS = 30;
/** The machine is gone after them. */
const ENDS: ReadonlySet<string> = new Set(['Preempt', 'Terminate']);
/** It comes back, but nothing that runs on it does; they are announced 10 minutes ahead and more. */
const RESTARTS: ReadonlySet<string> = new Set(['Reboot', 'Redeploy']);

const eventsSchema = z.object({
  Events: z.array(
    z.object({
      EventId: z.string(),
      EventType: z.string(),
      Resources: z.array(z.string()).default([]),
      NotBefore: z.string().default(''),
    }),
  ),
});
type ScheduledEvent = z.infer<typeof eventsSchema>['Events'][number];

export interface AzureScheduledEventsOptions {
  readonly url?: string;
  readonly clock: Clock;
  readonly pauseSeconds?: number;
}

export class AzureScheduledEvents implements NoticeSource {
  readonly pauseSeconds: number;
  readonly #url: string;
  readonly #clock: Clock;
  #name: string | undefined;
  #isAnswered = false;
  #ending: ScheduledEvent | undefined;

  constructor({ url = AZURE_METADATA_URL, clock, pauseSeconds = 5 }: AzureScheduledEventsOptions) {
    this.#url = `${url}/metadata`;
    this.#clock = clock;
    this.pauseSeconds = pauseSeconds;
  }

  async next(signal: AbortSignal): Promise<InstanceNotice | null> {
    const timeoutMs = this.#isAnswered ? 10_000 : FIRST_ANSWER_MS;
    const answer = await askMetadata(this.#eventsUrl, { headers: HEADERS, timeoutMs, signal });
    if (answer.status !== 200) throw unexpected(this.#eventsUrl, answer);
    this.#isAnswered = true;
    const { Events: events } = eventsSchema.parse(JSON.parse(answer.text));
    if (events.length === 0) return null;
    const name = await this.#ownName(signal);
    const own = events.filter(({ Resources }) => Resources.some((each) => each === name || each.endsWith(`_${name}`)));
    this.#ending = own.find(({ EventType }) => ENDS.has(EventType));
    if (this.#ending) return this.#interruption(this.#ending);
    const restart = own.find(({ EventType }) => RESTARTS.has(EventType));
    return restart ? { kind: 'rebalance', reason: `Azure announces a ${restart.EventType}` } : null;
  }

  /** Approved, an event need not wait for its time: nothing is left to be saved here. */
  async letGo(): Promise<void> {
    if (!this.#ending) return;
    const body = JSON.stringify({ StartRequests: [{ EventId: this.#ending.EventId }] });
    const answer = await askMetadata(this.#eventsUrl, { method: 'POST', headers: HEADERS, body });
    if (answer.status !== 200) throw unexpected(this.#eventsUrl, answer);
  }

  get #eventsUrl(): string {
    return `${this.#url}/scheduledevents?api-version=2020-07-01`;
  }

  #interruption({ EventType, NotBefore }: ScheduledEvent): InstanceNotice {
    const startsAt = Date.parse(NotBefore);
    // No time: it has begun.
    const seconds = Number.isNaN(startsAt) ? NOTICE_SECONDS : (startsAt - this.#clock.now().getTime()) / 1_000;
    return { kind: 'interruption', secondsLeft: Math.max(0, seconds), reason: `spot interruption: Azure ${EventType}` };
  }

  /** Events speak of neighbours too, where machines are in one set. */
  async #ownName(signal: AbortSignal): Promise<string> {
    if (this.#name === undefined) {
      const url = `${this.#url}/instance/compute/name?api-version=2021-02-01&format=text`;
      const answer = await askMetadata(url, { headers: HEADERS, signal });
      if (answer.status !== 200) throw unexpected(url, answer);
      this.#name = answer.text.trim();
    }
    return this.#name;
  }
}
