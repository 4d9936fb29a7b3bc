/**
 * Service Bus over AMQP 1.0 ("AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide"), for one broker: what
 * `@azure/service-bus` speaks. Plain TCP, as its `UseDevelopmentEmulator=true` wants it; any identity is good.
 *
 * A client's sender is a receiver here, and the other way round. Three traps of a server on rhea: it must settle nothing by
 * itself; it must say a second time that it has drained; and a settled outcome must count as settled by both sides, or the
 * delivery is never let go of.
 */
import type { AddressInfo, Server } from 'node:net';
import rhea, { type Container, type Delivery, type EventContext, type Receiver, type Sender, type Session } from 'rhea';
import { type ManagementAnswer, manage } from './amqp-management.ts';
import { messagesInBatch, sentMessage, tagOf, wireMessage } from './amqp-messages.ts';
import type { ServiceBusBroker } from './broker.ts';
import type { ServiceBusQueue } from './queue.ts';

/** The format of a batch. */
const BATCH = 0x80013700;
/** "Maximum message size: 256 KB for Standard tier" ("Service Bus quotas"). */
const MAX_MESSAGE_BYTES = 256 * 1_024;
/** `snd-settle-mode`: settled when sent, which is how "receive and delete" asks for its messages. */
const SETTLED = 1;
const CLAIMS = '$cbs';
const MANAGEMENT = /\/\$management$/;

/** What rhea's links have and its types do not say. */
interface LinkInternals {
  readonly credit: number;
  readonly remote: { readonly attach: { readonly source?: Terminus; readonly target?: Terminus } & SettleModes };
  readonly local: { readonly attach: object };
  readonly session: {
    readonly outgoing: { readonly next_delivery_id: number; readonly next_pending_delivery: number };
  };
  readonly connection: { _register(): void };
}
interface Terminus {
  readonly address: string;
}
const NOWHERE: Terminus = { address: '' };
interface SettleModes {
  readonly snd_settle_mode?: number;
  readonly rcv_settle_mode?: number;
}
// rhea 3.0.5, pinned: lib/link.js and lib/session.js have these members.
const internals = (link: Sender | Receiver): LinkInternals => link as unknown as LinkInternals;

interface Outcome {
  described(): unknown;
}
// Likewise lib/message.js.
const outcomes = rhea.message as unknown as {
  accepted(): Outcome;
  rejected(fields: object): Outcome;
};

interface Locked {
  readonly queue: ServiceBusQueue;
  readonly token: string;
}

export interface AmqpServer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function serveServiceBusAmqp(broker: ServiceBusBroker, port = 0): Promise<AmqpServer> {
  const container = rhea.create_container({
    id: 'service-bus',
    autoaccept: false,
    autosettle: false,
    treat_modified_as_released: false,
    credit_window: 100,
    max_frame_size: 65_536,
    channel_max: 255,
    idle_time_out: 60_000,
  });
  container.sasl_server_mechanisms.enable_anonymous();
  container.sasl_server_mechanisms.enable_plain(() => true);
  const connections = new Set<EventContext['connection']>();
  container.on('connection_open', ({ connection }: EventContext) => connections.add(connection));
  container.on('disconnected', ({ connection }: EventContext) => connections.delete(connection));
  container.on('connection_error', () => undefined);
  deliver(container, broker);
  accept(container, broker);
  const server: Server = container.listen({ port, host: '127.0.0.1' });
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  // An address of TCP, as it listens on one.
  const { port: bound } = server.address() as AddressInfo;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const connection of connections) connection.close();
      for (const connection of connections) connection.socket.destroy();
    });
  return { port: bound, stop };
}

const queueAt = (broker: ServiceBusBroker, address = ''): ServiceBusQueue | undefined =>
  broker.find(address.replace(/^(?:(?:amqps?|sb):\/\/[^/]+)?\//, ''));

const notFound = (address = '') => ({
  condition: 'amqp:not-found',
  description: `The messaging entity '${address}' could not be found.`,
});

const LOCK_LOST = {
  condition: 'com.microsoft:message-lock-lost',
  description:
    'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.',
};

const isService = (address = ''): boolean => address === CLAIMS || MANAGEMENT.test(address);

/** Where answers to requests go, by session and address. */
const replies = new WeakMap<Session, Map<string, Sender>>();

/** The side that clients receive from. */
function deliver(container: Container, broker: ServiceBusBroker): void {
  const queues = new WeakMap<Sender, ServiceBusQueue>();
  const locks = new WeakMap<Delivery, Locked>();
  const endings = new WeakMap<Sender, () => void>();

  const pump = (sender: Sender): void => {
    const queue = queues.get(sender);
    if (!queue) return;
    const isPeekLock = sender.snd_settle_mode !== SETTLED;
    // rhea takes from the credit when it flushes: what is under way is to be taken off here.
    const credit = (): number => {
      const { credit: given, session } = internals(sender);
      return given - (session.outgoing.next_delivery_id - session.outgoing.next_pending_delivery);
    };
    while (sender.is_open() && credit() > 0) {
      const message = isPeekLock ? queue.lockNext() : queue.takeNext();
      if (!message) return;
      const { lock } = message;
      const delivery = sender.send(wireMessage(message), lock ? tagOf(lock.token) : undefined);
      if (lock) locks.set(delivery, { queue, token: lock.token });
    }
  };

  container.on('sender_open', ({ sender, session }: EventContext) => {
    if (!sender || !session) return;
    const { remote, local } = internals(sender);
    const address = remote.attach.source?.address;
    sender.set_source(remote.attach.source ?? NOWHERE);
    sender.set_target(remote.attach.target ?? NOWHERE);
    Object.assign(local.attach, {
      snd_settle_mode: remote.attach.snd_settle_mode,
      rcv_settle_mode: remote.attach.rcv_settle_mode,
    });
    if (address !== undefined && isService(address)) {
      const known = replies.get(session) ?? new Map<string, Sender>();
      replies.set(session, known.set(address, sender));
      return;
    }
    const queue = queueAt(broker, address);
    if (!queue) return sender.close(notFound(address));
    queues.set(sender, queue);
    endings.set(
      sender,
      queue.onArrival(() => pump(sender)),
    );
  });
  container.on('sendable', ({ sender }: EventContext) => sender && pump(sender));
  container.on('sender_draining', ({ sender }: EventContext) => {
    if (!sender) return;
    pump(sender);
    sender.set_drained(true);
    internals(sender).connection._register();
  });
  const end = (sender: Sender | undefined): void => sender && endings.get(sender)?.();
  container.on('sender_close', ({ sender }: EventContext) => end(sender));
  container.on('session_close', ({ session }: EventContext) => session?.each_sender(end, () => true));

  const settle = (delivery: Delivery | undefined, how: (locked: Locked) => boolean): void => {
    const locked = delivery && locks.get(delivery);
    if (!locked) return;
    const outcome = how(locked) ? outcomes.accepted().described() : outcomes.rejected({ error: LOCK_LOST }).described();
    delivery.update(true, outcome);
    Object.assign(delivery, { remote_settled: true });
  };
  container.on('accepted', ({ delivery }: EventContext) =>
    settle(delivery, ({ queue, token }) => queue.complete(token)),
  );
  container.on('released', ({ delivery }: EventContext) =>
    settle(delivery, ({ queue, token }) => queue.abandon(token)),
  );
  container.on('modified', ({ delivery }: EventContext) =>
    settle(delivery, ({ queue, token }) => queue.abandon(token)),
  );
  container.on('rejected', ({ delivery }: EventContext) =>
    settle(delivery, ({ queue, token }) => {
      const info = delivery?.remote_state?.['error']?.info ?? {};
      const text = (key: string): string | undefined => info[key]?.value ?? info[key];
      return queue.deadLetter(token, text('DeadLetterReason'), text('DeadLetterErrorDescription'));
    }),
  );
}

/** The side that clients send to: messages, and requests. */
function accept(container: Container, broker: ServiceBusBroker): void {
  const addresses = new WeakMap<Receiver, string>();
  container.on('receiver_open', ({ receiver }: EventContext) => {
    if (!receiver) return;
    const { remote, local } = internals(receiver);
    const { attach } = remote;
    const address = attach.target?.address ?? '';
    receiver.set_target(attach.target ?? NOWHERE);
    receiver.set_source(attach.source ?? NOWHERE);
    // By it a client knows how large a batch may be.
    Object.assign(local.attach, { max_message_size: MAX_MESSAGE_BYTES });
    addresses.set(receiver, address);
    if (!isService(address) && !queueAt(broker, address)) receiver.close(notFound(address));
  });
  container.on('message', ({ receiver, message, delivery }: EventContext) => {
    if (!receiver || !message || !delivery) return;
    const address = addresses.get(receiver) ?? '';
    delivery.accept();
    if (isService(address)) {
      const answer = answerTo(broker, address, message);
      replies.get(receiver.session)?.get(address)?.send(reply(message, answer));
      return;
    }
    const messages = delivery.format === BATCH ? messagesInBatch(message) : [message];
    for (const each of messages) {
      const { content, scheduledAt } = sentMessage(each);
      queueAt(broker, address)?.send(content, scheduledAt);
    }
  });
}

function answerTo(broker: ServiceBusBroker, address: string, request: EventContext['message']): ManagementAnswer {
  if (address === CLAIMS) return { code: 200, description: 'OK' };
  const queue = queueAt(broker, address.replace(MANAGEMENT, ''));
  if (!queue) return { code: 404, description: 'amqp:not-found' };
  return manage(queue, request?.application_properties?.['operation'], request?.body);
}

function reply(request: NonNullable<EventContext['message']>, { code, description, body }: ManagementAnswer) {
  return {
    ...(request.message_id === undefined ? {} : { correlation_id: request.message_id }),
    ...(request.reply_to === undefined ? {} : { to: request.reply_to }),
    application_properties: {
      statusCode: rhea.types.wrap_int(code),
      'status-code': rhea.types.wrap_int(code),
      statusDescription: description,
      'status-description': description,
      ...(code >= 400 ? { errorCondition: description } : {}),
    },
    body,
  };
}
