import { AwsError } from '../protocol/aws-error.ts';

export interface Receipt {
  readonly queueName: string;
  readonly messageId: string;
  readonly receipt: string;
}

export function formatReceiptHandle({ queueName, messageId, receipt }: Receipt): string {
  return Buffer.from(`${queueName} ${messageId} ${receipt}`).toString('base64url');
}

/** @throws {AwsError} `ReceiptHandleIsInvalid` for what this queue never gave out */
export function parseReceiptHandle(queueName: string, handle: string): Receipt {
  const [name, messageId, receipt] = Buffer.from(handle, 'base64url').toString('utf8').split(' ');
  if (name !== queueName || messageId === undefined || receipt === undefined) {
    throw new AwsError('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not a valid receipt handle.`);
  }
  return { queueName, messageId, receipt };
}
