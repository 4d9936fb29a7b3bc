/** What our Pub/Sub server does that Google's emulator is not asked for: time, Eventarc, duplicates, a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { PubSubStatusChannel } from '../../../adapters/gcp/pubsub-status-channel.ts';
import { useGcpWorld } from '../../contracts/gcp-world.ts';
import { startedEvent } from '../../factories/events.ts';

const gcp = useGcpWorld();
let names = 0;
const make = (policies?: object) => {
  names += 1;
  const subscription = gcp().queue(`server-${names}`, policies);
  const send = (text: string) =>
    gcp().pubSub.broker.publish(subscription.config.topic, { messages: [{ data: Buffer.from(text) }] });
  return { subscription, send };
};

describe('our Pub/Sub server', () => {
  it('forgets what is past its retention', async () => {
    const { subscription, send } = make({ messageRetentionDuration: '600s' });
    send('old');
    await gcp().time.advance(601);
    send('new');

    expect(subscription.pull(10).map(({ message }) => message.data.toString())).toEqual(['new']);
  });

  it('waits before it delivers again, as long as the retry policy says', async () => {
    const { subscription, send } = make({ retryPolicy: { minimumBackoff: '10s', maximumBackoff: '600s' } });
    send('later');
    const [first] = subscription.pull(1);
    subscription.modifyAckDeadline([first?.ackId ?? ''], 0);

    await gcp().time.advance(9);
    expect(subscription.pull(1)).toEqual([]);
    await gcp().time.advance(2);

    expect(subscription.pull(1)).toHaveLength(1);
  });

  it('delivers twice when told to, under two ids', () => {
    const { subscription, send } = make();
    subscription.duplicates = 1;
    send('twice');

    const ids = [...subscription.pull(10), ...subscription.pull(10)].map(({ ackId }) => ackId);

    expect(new Set(ids).size).toBe(2);
  });

  it("gives what it pushes to Eventarc's endpoints the headers of a CloudEvent", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      request.resume();
      response.writeHead(204).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const pushEndpoint = `http://127.0.0.1:${port}/?__GCP_CloudEventsMode=CUSTOM_PUBSUB_projects%2Fp%2Ftopics%2Ft`;
    const { subscription, send } = make({ pushConfig: { pushEndpoint } });

    send('event');
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await vi.waitFor(() => expect(subscription.backlog).toEqual({ waiting: 0, outstanding: 0 }));
    server.close();

    expect(seen[0]).toMatchObject({
      'ce-type': 'google.cloud.pubsub.topic.v1.messagePublished',
      'ce-specversion': '1.0',
      'ce-source': `//pubsub.googleapis.com/${subscription.config.topic}`,
    });
  });

  it('runs as a process of its own, with what it is told to make', async () => {
    const topic = 'projects/p/topics/shoal-status-e2e';
    const child = spawn(process.execPath, ['test/clouds/gcp/main.ts'], {
      env: { ...process.env, SHOAL_TOPICS: topic, SHOAL_BUCKETS: 'e2e' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    const { pubSubUrl, storageUrl } = JSON.parse(String(line));

    await new PubSubStatusChannel({ topicUrl: `${pubSubUrl}/v1/${topic}`, source: 'i-1', token: null }).publish([
      startedEvent(),
    ]);
    const pulled = await fetch(`${pubSubUrl}/v1/${topic.replace('topics', 'subscriptions')}:pull`, {
      method: 'POST',
      body: '{"maxMessages":1}',
    });
    const put = await fetch(`${storageUrl}/e2e/key`, { method: 'PUT', body: 'text' });
    child.kill();
    await once(child, 'exit');

    expect(await pulled.json()).toMatchObject({ receivedMessages: [{ message: { data: expect.any(String) } }] });
    expect(put.status).toBe(200);
  });
});
