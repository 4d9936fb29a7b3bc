/** Metadata servers as the providers document them, each small, real and on this machine. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface MetadataServer {
  readonly url: string;
  /** `METHOD path` of every request, in order. */
  readonly asked: string[];
  readonly bodies: string[];
  /** Gives notice: so many seconds from now where the provider tells. */
  giveNotice(seconds: number): void;
  /** Answers 500 to everything from now on, or no longer. */
  break(isBroken: boolean): void;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(answer: Answer): Promise<Omit<MetadataServer, 'giveNotice'>> {
  const asked: string[] = [];
  const bodies: string[] = [];
  let isBroken = false;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.setEncoding('utf8').on('data', (text: string) => bodies.push(text));
    if (isBroken) response.writeHead(500).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // it listens on a port
  const setBroken = (broken: boolean): void => {
    isBroken = broken;
  };
  return { url: `http://127.0.0.1:${port}`, asked, bodies, break: setBroken };
}

/** IMDSv2: nothing without a token, and tokens expire. */
export async function ec2Metadata() {
  const documents = new Map<string, string>();
  const tokens = { valid: '' };
  let made = 0;
  const server = await serve((request, response) => {
    if (request.method === 'PUT' && request.url === '/latest/api/token') {
      if (!request.headers['x-aws-ec2-metadata-token-ttl-seconds']) return void response.writeHead(400).end();
      made += 1;
      tokens.valid = `token-${made}`;
      return void response.end(tokens.valid);
    }
    if (request.headers['x-aws-ec2-metadata-token'] !== tokens.valid) return void response.writeHead(401).end();
    const document = documents.get(request.url ?? '');
    return void (document === undefined ? response.writeHead(404).end() : response.end(document));
  });
  const put = (path: string, document: string) => documents.set(`/latest/meta-data/${path}`, document);
  const giveNotice = (seconds: number): void => {
    const time = new Date(Date.now() + seconds * 1_000).toISOString();
    put('spot/instance-action', JSON.stringify({ action: 'terminate', time }));
  };
  const expireToken = (): void => {
    tokens.valid = 'another';
  };
  return { ...server, giveNotice, put, expireToken };
}

/** `wait_for_change` keeps the question open while the value is the one of `last_etag`. */
export async function gceMetadata() {
  let value = 'FALSE';
  let waiting: ServerResponse[] = [];
  const answer = (response: ServerResponse): void => {
    response.setHeader('etag', value === 'TRUE' ? 'later' : 'first');
    response.end(value);
  };
  const server = await serve((request, response) => {
    if (request.headers['metadata-flavor'] !== 'Google') return void response.writeHead(403).end();
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    if (pathname !== '/computeMetadata/v1/instance/preempted') return void response.writeHead(404).end();
    const isKnown = searchParams.get('last_etag') === (value === 'TRUE' ? 'later' : 'first');
    if (searchParams.get('wait_for_change') !== 'true' || !isKnown) return answer(response);
    waiting.push(response);
    const timer = setTimeout(() => answer(response), Number(searchParams.get('timeout_sec')) * 1_000);
    response.once('close', () => clearTimeout(timer));
  });
  const giveNotice = (): void => {
    value = 'TRUE';
    for (const response of waiting) answer(response);
    waiting = [];
  };
  return { ...server, giveNotice };
}

/** Events of a machine called `worker_3` and of its neighbours. */
export async function azureMetadata() {
  let events: object[] = [];
  const server = await serve((request, response) => {
    if (request.headers['metadata'] !== 'true') return void response.writeHead(400).end();
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    if (pathname === '/metadata/instance/compute/name') return void response.end('worker_3');
    if (pathname !== '/metadata/scheduledevents') return void response.writeHead(404).end();
    if (request.method === 'POST') return void response.end();
    return void response.end(JSON.stringify({ DocumentIncarnation: 1, Events: events }));
  });
  const announce = (EventType: string, seconds: number | null, Resources = ['worker_3']): void => {
    const NotBefore = seconds === null ? '' : new Date(Date.now() + seconds * 1_000).toUTCString();
    const EventStatus = seconds === null ? 'Started' : 'Scheduled';
    const EventId = `event-${events.length + 1}`;
    events = [...events, { EventId, EventType, ResourceType: 'VirtualMachine', Resources, EventStatus, NotBefore }];
  };
  const giveNotice = (seconds: number): void => announce('Preempt', seconds);
  return { ...server, giveNotice, announce };
}
