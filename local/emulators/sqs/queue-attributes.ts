/** The settings of a queue, as the strings that the API carries and as the numbers that the queue works with. */
import { z } from 'zod';
import { AwsError } from '../protocol/aws-error.ts';

export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

const numbers = {
  DelaySeconds: { min: 0, max: 900, standard: 0 },
  MaximumMessageSize: { min: 1024, max: 1_048_576, standard: 1_048_576 },
  MessageRetentionPeriod: { min: 60, max: 1_209_600, standard: 345_600 },
  ReceiveMessageWaitTimeSeconds: { min: 0, max: 20, standard: 0 },
  VisibilityTimeout: { min: 0, max: 43_200, standard: 30 },
} as const;

/** Accepted and kept, without effect here. */
const inert = [
  'Policy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
  'SqsManagedSseEnabled',
];

const redriveSchema = z.object({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number().int().min(1).max(1000),
});

export class QueueAttributes {
  readonly #values = new Map<string, string>();
  #redrive: RedrivePolicy | undefined;

  constructor(values: Readonly<Record<string, string>>) {
    this.set(values);
  }

  get redrive(): RedrivePolicy | undefined {
    return this.#redrive;
  }

  /** @throws {AwsError} for an unknown attribute or a value out of its range; nothing is changed then */
  set(values: Readonly<Record<string, string>>): void {
    const redrive = values['RedrivePolicy'];
    const parsed = redrive === undefined ? this.#redrive : parseRedrivePolicy(redrive);
    for (const [name, value] of Object.entries(values)) checkAttribute(name, value);
    for (const [name, value] of Object.entries(values)) this.#values.set(name, value);
    this.#redrive = parsed;
  }

  number(name: keyof typeof numbers): number {
    return Number(this.#values.get(name) ?? numbers[name].standard);
  }

  /** Everything that is set, and the defaults of what is not. */
  all(): Record<string, string> {
    const standard = Object.entries(numbers).map(([name, range]) => [name, String(range.standard)] as const);
    const set = [...this.#values].filter(([, value]) => value !== '');
    return Object.fromEntries([...standard, ['SqsManagedSseEnabled', 'true'], ...set]);
  }
}

function parseRedrivePolicy(text: string): RedrivePolicy | undefined {
  if (text === '') return undefined;
  try {
    return redriveSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw invalidValue('RedrivePolicy', text, cause);
  }
}

function checkAttribute(name: string, value: string): void {
  if (name === 'FifoQueue' || name === 'ContentBasedDeduplication') {
    throw new AwsError('UnsupportedOperation', 'This emulator has standard queues only.');
  }
  if (name in numbers) {
    // The check above makes the name one of the table's.
    const range = numbers[name as keyof typeof numbers];
    const number = value === '' ? Number.NaN : Number(value);
    if (!Number.isInteger(number) || number < range.min || number > range.max) throw invalidValue(name, value);
  } else if (name !== 'RedrivePolicy' && !inert.includes(name)) {
    throw new AwsError('InvalidAttributeName', `Unknown Attribute ${name}.`);
  }
}

function invalidValue(name: string, value: string, cause?: unknown): AwsError {
  return new AwsError('InvalidAttributeValue', `Invalid value for the parameter ${name}: ${value}`, { cause });
}
