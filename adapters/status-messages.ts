/** Reports on their way: many events a message, the same bodies in every cloud. */
import { toAsciiJson } from '../core/ascii-json.ts';
import { BILLED_MESSAGE_BYTES, type StatusEvent } from '../core/messages.ts';

/** Room in a message for what surrounds the events. */
const ENVELOPE_BYTES = 512;

/**
 * Bodies for the status queue, each within what SQS bills as one message: what a cloud carries home ends up there.
 * @param source who publishes: an instance, a bridge
 */
export const statusMessages = (events: readonly StatusEvent[], source: string): string[] =>
  packEvents(events, BILLED_MESSAGE_BYTES - ENVELOPE_BYTES).map(
    (packed) => `{"v":1,"source":${toAsciiJson(source)},"events":[${packed.join(',')}]}`,
  );

/** Events as JSON texts, in order, grouped so that each group stays within `maxBytes` (a larger event goes alone). */
function packEvents(events: readonly StatusEvent[], maxBytes: number): string[][] {
  const groups: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const text = toAsciiJson(event);
    const last = groups.at(-1);
    if (last && bytes + text.length + 1 <= maxBytes) {
      last.push(text);
      bytes += text.length + 1;
    } else {
      groups.push([text]);
      bytes = text.length;
    }
  }
  return groups;
}
