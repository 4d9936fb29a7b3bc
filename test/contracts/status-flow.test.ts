/** How far reports are read, on the emulated queue and table. */
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { DynamoStatusNotes, SqsStatusFlow } from '../../adapters/aws/sqs-status-flow.ts';
import { at, ManualClock } from '../factories/manual-clock.ts';
import { useAwsWorld } from './aws-world.ts';

const world = useAwsWorld();

async function prepare() {
  const clock = new ManualClock(at(1_000));
  const { sqs, dynamodb } = world();
  const queueUrl = await world().queue();
  const table = await world().fleetsTable();
  const flow = new SqsStatusFlow({ sqs, queueUrl, dynamodb, table, clock, settleSeconds: 60 });
  const notes = new DynamoStatusNotes({ dynamodb, table, clock });
  const send = () => sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'a report' }));
  const receive = () => sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl, VisibilityTimeout: 60 }));
  return { clock, flow, notes, send, receive };
}

describe('how far reports are read', () => {
  it('is nearly to the present when the queue is empty', async () => {
    const { flow } = await prepare();

    expect(await flow.appliedUntil()).toEqual(new Date(at(940)));
  });

  it('is unknown while reports wait or are under way, and nobody has noted anything', async () => {
    const { flow, send, receive } = await prepare();
    await send();
    const waiting = await flow.appliedUntil();
    await receive();
    const underWay = await flow.appliedUntil();

    expect([waiting, underWay]).toEqual([null, null]);
  });

  it('is as far as was noted while reports wait', async () => {
    const { flow, notes, send } = await prepare();
    await send();

    await notes.noteApplied(new Date(at(700)));

    expect(await flow.appliedUntil()).toEqual(new Date(at(700)));
  });

  it('is noted now and then, however many reports there are', async () => {
    const { clock, flow, notes, send } = await prepare();
    await send();
    await notes.noteApplied(new Date(at(700)));
    clock.advance(19);
    await notes.noteApplied(new Date(at(701)));
    const soon = await flow.appliedUntil();
    clock.advance(1);
    await notes.noteApplied(new Date(at(702)));

    expect([soon, await flow.appliedUntil()]).toEqual([new Date(at(700)), new Date(at(702))]);
  });
});
