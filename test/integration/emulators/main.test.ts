import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListStateMachinesCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateQueueCommand, ListQueuesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, it } from 'vitest';
import { type EmulatorUrls, startEmulators } from '../../../local/emulators/start-emulators.ts';
import { clientConfig } from './client-config.ts';

const main = join(import.meta.dirname, '../../../local/emulators/main.ts');
const children = new Set<ChildProcess>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** A process of its own, with an IPC channel, and what it has written so far. */
function startMain(args: readonly string[] = []) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.add(child);
  const written = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    written.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    written.stderr += chunk;
  });
  return { child, written, exited: once(child, 'exit') as Promise<[number | null, string | null]> };
}

async function withinASecond(exited: Promise<[number | null, string | null]>): Promise<number | null> {
  const startedAt = performance.now();
  const [code] = await exited;
  expect(performance.now() - startedAt).toBeLessThan(1000);
  return code;
}

async function ask(urls: EmulatorUrls): Promise<void> {
  await new SQSClient(clientConfig(urls.sqsUrl)).send(new ListQueuesCommand({}));
  await new DynamoDBClient(clientConfig(urls.dynamodbUrl)).send(new ListTablesCommand({}));
  await new S3Client(clientConfig(urls.s3Url)).send(new ListBucketsCommand({}));
  await new SFNClient(clientConfig(urls.statesUrl)).send(new ListStateMachinesCommand({}));
}

describe('the emulators', () => {
  it('run in this process for a test, each at its own address, until stopped', async () => {
    const { stop, ...urls } = await startEmulators();
    await ask(urls);
    await stop();
    await expect(fetch(urls.sqsUrl)).rejects.toThrow();
  });

  it('say once where they answer, survive SIGINT, and end on SIGTERM within a second', async () => {
    const { child, written, exited } = startMain();
    const [ready] = await once(child, 'message');
    expect(ready).toMatchObject({ ready: true, sqsUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) });
    expect(JSON.parse(written.stdout)).toEqual(ready);
    child.kill('SIGINT');
    await ask(ready);
    const sqs = new SQSClient(clientConfig(ready.sqsUrl));
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'empty' }));
    const poll = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 })).catch(() => undefined);
    await sqs.send(new ListQueuesCommand({}));
    child.kill('SIGTERM');
    expect(await withinASecond(exited)).toBe(0);
    await poll;
    expect(written.stderr).toBe('');
  });

  it('end when their parent is gone', async () => {
    const { child, exited } = startMain();
    await once(child, 'message');
    child.disconnect();
    expect(await withinASecond(exited)).toBe(0);
  });

  it('name the service whose port is taken, in one line, and end with 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { written, exited } = startMain(['--states-port', String(port)]);
    expect((await exited)[0]).toBe(1);
    expect(written.stderr).toBe(`Step Functions: port ${port} on 127.0.0.1 is already in use\n`);
    expect(written.stdout).toBe('');
    other.close();
  });
});
