/** A queue as the entity API describes it, in Atom ("Create Queue", "Get Queue", Service Bus REST). */
import type { QueueSettings, ServiceBusQueue } from './queue.ts';

const CONNECT = 'http://schemas.microsoft.com/netservices/2010/10/servicebus/connect';
const COUNTS = 'http://schemas.microsoft.com/netservices/2011/06/servicebus';

export const EMPTY_FEED =
  '<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>';

export function queueEntry(url: URL, queue: ServiceBusQueue): string {
  const { active, scheduled, deadLetters } = queue.counts();
  const counts = {
    ActiveMessageCount: active,
    DeadLetterMessageCount: deadLetters,
    ScheduledMessageCount: scheduled,
    TransferMessageCount: 0,
    TransferDeadLetterMessageCount: 0,
  };
  const details = Object.entries(counts).map(([name, count]) => `<d2p1:${name}>${count}</d2p1:${name}>`);
  return [
    `<entry xmlns="http://www.w3.org/2005/Atom"><id>${url.href}</id><title type="text">${queue.name}</title>`,
    `<content type="application/xml"><QueueDescription xmlns="${CONNECT}">`,
    `<LockDuration>PT${queue.lockSeconds}S</LockDuration><MaxDeliveryCount>${queue.maxDeliveryCount}</MaxDeliveryCount>`,
    `<MessageCount>${active + scheduled + deadLetters}</MessageCount>`,
    `<CountDetails xmlns:d2p1="${COUNTS}">${details.join('')}</CountDetails>`,
    '</QueueDescription></content></entry>',
  ].join('');
}

/** What a description asks for; the rest is as Service Bus has it. */
export function settingsIn(description: string): QueueSettings {
  const [, minutes, seconds] = /<LockDuration>PT(?:(\d+)M)?(?:([\d.]+)S)?</.exec(description) ?? [];
  const lockSeconds = Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  const maxDeliveryCount = Number(/<MaxDeliveryCount>(\d+)</.exec(description)?.[1] ?? 0);
  return { ...(lockSeconds ? { lockSeconds } : {}), ...(maxDeliveryCount ? { maxDeliveryCount } : {}) };
}
