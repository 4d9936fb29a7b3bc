import { AwsError } from '../protocol/aws-error.ts';
import { Queue } from './queue.ts';
import { QueueAttributes } from './queue-attributes.ts';

const accountId = '000000000000';

/** The queues of this process, by name. */
export class QueueRegistry {
  readonly #region: string;
  readonly #now: () => number;
  readonly #queues = new Map<string, Queue>();

  constructor(region: string, now: () => number) {
    this.#region = region;
    this.#now = now;
  }

  /** The queue of that name: a new one, or the present one if none of the given attributes differs from its own. */
  create(name: string, values: Readonly<Record<string, string>>): Queue {
    const present = this.#queues.get(name);
    if (present !== undefined) return requireSameAttributes(present, values);
    const attributes = new QueueAttributes(values);
    const target = attributes.redrive?.deadLetterTargetArn;
    if (target !== undefined && this.findByArn(target) === undefined) throw noDeadLetterTarget();
    const queue = new Queue(name, this.#arn(name), attributes, {
      now: this.#now,
      findByArn: (arn) => this.findByArn(arn),
    });
    this.#queues.set(name, queue);
    return queue;
  }

  /** @throws {AwsError} `QueueDoesNotExist` */
  byName(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return queue;
  }

  /** Whatever host the URL names: only its last segment counts, so a queue's URL survives a change of port. */
  byUrl(url: string): Queue {
    return this.byName(url.slice(url.lastIndexOf('/') + 1));
  }

  findByArn(arn: string): Queue | undefined {
    const queue = this.#queues.get(arn.slice(arn.lastIndexOf(':') + 1));
    return queue?.arn === arn ? queue : undefined;
  }

  list(prefix: string): Queue[] {
    return [...this.#queues.values()].filter((queue) => queue.name.startsWith(prefix));
  }

  remove(queue: Queue): void {
    queue.close();
    this.#queues.delete(queue.name);
  }

  /** Every queue stays, without its messages. */
  purge(): void {
    for (const queue of this.#queues.values()) queue.purge();
  }

  endPolls(): void {
    for (const queue of this.#queues.values()) queue.endPolls();
  }

  close(): void {
    for (const queue of [...this.#queues.values()]) this.remove(queue);
  }

  #arn(name: string): string {
    return `arn:aws:sqs:${this.#region}:${accountId}:${name}`;
  }
}

/** The URL of a queue as its caller reaches this server. */
export function queueUrlOf(origin: string, queue: Queue): string {
  return `${origin}/${accountId}/${queue.name}`;
}

function requireSameAttributes(queue: Queue, values: Readonly<Record<string, string>>): Queue {
  const own = queue.attributes.all();
  const different = Object.entries(values).find(([name, value]) => own[name] !== value)?.[0];
  if (different === undefined) return queue;
  throw new AwsError(
    'QueueNameExists',
    `A queue already exists with the same name and a different value for ${different}`,
  );
}

function noDeadLetterTarget(): AwsError {
  return new AwsError(
    'InvalidParameterValue',
    'Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.',
  );
}
