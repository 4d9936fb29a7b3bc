/** How the metadata servers of the providers tell a machine of its end: the same news in three languages. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a machine was told of its own end. */
export interface Told {
  readonly endsAt: Date | null;
  readonly rebalanceAt: Date | null;
}

export interface Question {
  readonly instanceId: string;
  /** Below the dialect's prefix. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What is known now: it may change while a question is kept open. */
  readonly told: () => Told;
}

interface Dialect {
  /** Of the paths, below a machine's folder. */
  readonly prefix: string;
  readonly answer: (request: IncomingMessage, response: ServerResponse, question: Question) => void | Promise<void>;
}

const TOKEN = 'local-metadata-token';

/** EC2, "Use the Instance Metadata Service" (version 2: nothing without a token), "Spot Instance interruption notices". */
const ec2: Dialect = {
  prefix: 'latest/',
  answer: (request, response, { path, told }) => {
    if (request.method === 'PUT' && path === 'api/token') return void response.end(TOKEN);
    if (request.headers['x-aws-ec2-metadata-token'] !== TOKEN) return refuse(response, 401, 'Unauthorized');
    const { endsAt, rebalanceAt } = told();
    if (path === 'meta-data/spot/instance-action' && endsAt) {
      return void response.end(JSON.stringify({ action: 'terminate', time: isoSeconds(endsAt) }));
    }
    if (path === 'meta-data/events/recommendations/rebalance' && rebalanceAt) {
      return void response.end(JSON.stringify({ noticeTime: isoSeconds(rebalanceAt) }));
    }
    return refuse(response, 404, 'Not Found');
  },
};

/** As EC2 writes times: no fractions. */
const isoSeconds = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;

const LOOK_EVERY_MS = 50;

/** Compute Engine, "Query VM metadata" (questions that wait for a change), "Create and use Spot VMs". It knows no rebalance. */
const computeEngine: Dialect = {
  prefix: 'computeMetadata/v1/',
  answer: async (request, response, { path, query, told }) => {
    if (request.headers['metadata-flavor'] !== 'Google') return refuse(response, 403, 'Forbidden');
    if (path !== 'instance/preempted') return refuse(response, 404, 'Not Found');
    const etagNow = (): string => (told().endsAt ? 'preempted' : 'running');
    const until = Date.now() + Number(query.get('timeout_sec') ?? 0) * 1_000;
    const waits = query.get('wait_for_change') === 'true';
    while (waits && query.get('last_etag') === etagNow() && Date.now() < until && !response.destroyed) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    response.setHeader('etag', etagNow());
    response.end(told().endsAt ? 'TRUE' : 'FALSE');
  },
};

/** Azure, "Scheduled Events for Linux VMs". A rebalance is not announced; what is, is approved without further ado. */
const azure: Dialect = {
  prefix: 'metadata/',
  answer: (request, response, { instanceId, path, told }) => {
    if (request.headers['metadata'] !== 'true') return refuse(response, 400, 'Bad Request');
    if (path === 'instance/compute/name') return void response.end(instanceId);
    if (path !== 'scheduledevents') return refuse(response, 404, 'Not Found');
    const { endsAt } = told();
    const preempt = {
      EventId: instanceId,
      EventType: 'Preempt',
      ResourceType: 'VirtualMachine',
      Resources: [instanceId],
      EventStatus: 'Scheduled',
      NotBefore: endsAt?.toUTCString(),
    };
    return void response.end(JSON.stringify({ DocumentIncarnation: endsAt ? 2 : 1, Events: endsAt ? [preempt] : [] }));
  },
};

export const DIALECTS: readonly Dialect[] = [ec2, computeEngine, azure];

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status).end(`${text}\n`);
}
