/**
 * Compute Engine's REST API and the catalog of Cloud Billing on the loopback address, as far as we call them. Each answer
 * is as the document says that is named beside it. It is no Compute Engine: machines run nothing, and a type has exactly
 * the capacity that it is told.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type RunningServer, serve } from '../../contracts/git-http-server.ts';
import { type BulkInsert, readBulkInsert, typesByRank } from './bulk-insert.ts';
import { GoogleRefusal, invalid, notFound } from './google-refusal.ts';

export interface GceMachine {
  readonly name: string;
  readonly zone: string;
  readonly machineType: string;
  readonly spot: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly creationTimestamp: string;
  readonly request: BulkInsert;
  /** "VM instance life cycle". */
  status: 'RUNNING' | 'STOPPING' | 'TERMINATED';
}

export interface GceType {
  readonly name: string;
  readonly guestCpus: number;
  readonly memoryMb: number;
  readonly architecture?: 'ARM64' | 'X86_64';
  readonly isSharedCpu?: boolean;
  readonly accelerators?: readonly { guestAcceleratorType: string; guestAcceleratorCount: number }[];
}

/** "services.skus.list". */
export interface Sku {
  readonly description: string;
  readonly category: { readonly resourceFamily: string; readonly resourceGroup: string; readonly usageType: string };
  readonly serviceRegions: readonly string[];
  readonly pricingInfo: readonly unknown[];
}

interface Operation {
  readonly name: string;
  readonly operationType: string;
  readonly operationGroupId?: string;
  readonly targetLink: string;
  readonly insertTime: string;
  readonly statusMessage?: string;
  readonly error?: { readonly errors: readonly unknown[] };
  status: 'RUNNING' | 'DONE';
}

export interface ComputeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const COMPUTE_SERVICE = '6F81-5844-456A';

export interface ComputeServerOptions {
  readonly project?: string;
  readonly region?: string;
  /** Of which zones the region is; the last letters. */
  readonly zones?: readonly string[];
  /** Whoever has another one is refused. */
  readonly token?: string;
}

export class ComputeServer {
  /** By `{zone}.{name}`. */
  readonly machines = new Map<string, GceMachine>();
  /** Machines left of a type, `type/spot` or `type/standard`; any number where nothing is said. */
  readonly capacity = new Map<string, number>();
  /** What the next requests to a path that ends so are refused with. */
  readonly refusals: { path: string; status: number; reason: string; message?: string }[] = [];
  /** Paths whose next request is carried out, and then the connection breaks. */
  readonly lostAnswers: string[] = [];
  readonly requests: ComputeRequest[] = [];
  readonly consoles = new Map<string, string>();
  readonly types: GceType[] = [];
  readonly skus: Sku[] = [];
  /** So often a launch's operation still runs when its end is waited for; `Infinity`: it never ends. */
  slowness = 0;
  /** As if filters meant something else than we think. */
  ignoresFilters = false;
  readonly #options: Required<Omit<ComputeServerOptions, 'token'>> & { readonly token: string | undefined };
  readonly #launches = new Map<string, Operation>();
  readonly #operations: Operation[] = [];
  readonly #waits = new Map<string, number>();
  #server: RunningServer | undefined;

  constructor({ token, ...options }: ComputeServerOptions = {}) {
    this.#options = { project: 'acme-batch', region: 'europe-west4', zones: ['a', 'b', 'c'], ...options, token };
  }

  async start(): Promise<string> {
    this.#server = await serve((request, response) => void this.#answer(request, response));
    return this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  countOf(method: string, pathEnd: string): number {
    return this.requests.filter((each) => each.method === method && each.path.endsWith(pathEnd)).length;
  }

  /** As when Compute Engine takes a Spot VM back whose termination action is DELETE: it is gone, the operation tells. */
  preempt(instanceId: string): void {
    const machine = this.machines.get(instanceId);
    if (!machine?.spot) throw new Error(`${instanceId} is no Spot VM that runs`);
    this.machines.delete(instanceId);
    this.#record('compute.instances.preempted', machine, { statusMessage: 'Instance was preempted.' });
  }

  /** As when the guest switches itself off: it is stopped, its disk stays. */
  switchOff(instanceId: string): void {
    const machine = this.machines.get(instanceId);
    if (machine) machine.status = 'TERMINATED';
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const { method = 'GET' } = request;
    const raw = await text(request);
    const query = Object.fromEntries(searchParams);
    this.requests.push({ method, path, query, body: raw === '' ? undefined : JSON.parse(raw) });
    const [status, body] = this.#carryOut(request, {
      method,
      path,
      query,
      body: raw === '' ? undefined : JSON.parse(raw),
    });
    const lost = this.lostAnswers.findIndex((end) => path.endsWith(end));
    if (lost >= 0) {
      this.lostAnswers.splice(lost, 1);
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
    response.end(JSON.stringify(body));
  }

  #carryOut(request: IncomingMessage, asked: ComputeRequest): [number, unknown] {
    try {
      const { token } = this.#options;
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
        throw new GoogleRefusal(401, 'authError', 'Invalid Credentials');
      }
      if (asked.body !== undefined && request.headers['content-type'] !== 'application/json') {
        throw invalid('the body is no JSON');
      }
      const index = this.refusals.findIndex(({ path }) => asked.path.endsWith(path));
      const [refusal] = index >= 0 ? this.refusals.splice(index, 1) : [];
      if (refusal) throw new GoogleRefusal(refusal.status, refusal.reason, refusal.message ?? 'as told');
      return [200, this.#result(asked)];
    } catch (error) {
      if (!(error instanceof GoogleRefusal)) throw error;
      return [error.status, error.body];
    }
  }

  #result({ method, path, query, body }: ComputeRequest): unknown {
    const { project, region } = this.#options;
    if (method === 'GET' && path === `/v1/services/${COMPUTE_SERVICE}/skus`) return this.#listSkus(query);
    const prefix = `/compute/v1/projects/${project}/`;
    if (!path.startsWith(prefix)) throw notFound(path);
    const [collection, ...rest] = path.slice(prefix.length).split('/');
    const asked = `${method} ${[collection, ...rest].join('/')}`;
    if (asked === `POST regions/${region}/instances/bulkInsert`) return this.#bulkInsert(query, body);
    if (asked === `GET regions/${region}`) return { name: region, zones: this.#zones.map((zone) => this.#link(zone)) };
    if (asked === 'GET aggregated/instances') return this.#listInstances(query);
    if (asked === 'GET aggregated/operations') return this.#listOperations(query);
    const [place = '', kind, name = '', action] = rest;
    if (method === 'POST' && kind === 'operations' && action === 'wait') return this.#wait(name);
    if (method === 'GET' && kind === 'machineTypes') return this.#listTypes(place, query);
    if (method === 'GET' && kind === 'instances' && action === 'serialPort') return this.#serialPort(place, name);
    if (method === 'DELETE' && kind === 'instances') return this.#delete(place, name);
    throw notFound(path);
  }

  get #zones(): string[] {
    return this.#options.zones.map((letter) => `${this.#options.region}-${letter}`);
  }

  #link(zone: string, rest = ''): string {
    return `https://www.googleapis.com/compute/v1/projects/${this.#options.project}/zones/${zone}${rest}`;
  }

  /** "regionInstances.bulkInsert": an operation, and one for each machine in its zone, of one group. */
  #bulkInsert(query: ComputeRequest['query'], body: unknown): Operation {
    const { requestId } = query;
    if (requestId === undefined || !UUID.test(requestId)) throw invalid('The request ID must be a valid UUID');
    // "requestId": "the server can check if original operation with the same request ID was received, and if so, will
    // ignore the second request".
    const before = this.#launches.get(requestId);
    if (before) return before;
    const request = readBulkInsert(body);
    const operationGroupId = randomUUID();
    const spot = request.instanceProperties.scheduling.provisioningModel === 'SPOT';
    const exhausted: string[] = [];
    let wanted = Number(request.count);
    for (const machineType of typesByRank(request)) {
      const pool = `${machineType}/${spot ? 'spot' : 'standard'}`;
      const left = this.capacity.get(pool) ?? Number.POSITIVE_INFINITY;
      const count = Math.min(wanted, left);
      this.capacity.set(pool, left - count);
      wanted -= count;
      for (let n = 0; n < count; n += 1) this.#make(request, machineType, operationGroupId);
      if (wanted === 0) break;
      exhausted.push(machineType);
    }
    const operation: Operation = {
      name: `operation-${randomUUID()}`,
      operationType: 'bulkInsert',
      operationGroupId,
      targetLink: `https://www.googleapis.com/compute/v1/projects/${this.#options.project}/regions/${this.#options.region}`,
      insertTime: new Date().toISOString(),
      status: 'RUNNING',
      ...(wanted > 0 ? { error: { errors: exhausted.map((type) => this.#stockOut(type)) } } : {}),
    };
    this.#launches.set(requestId, operation);
    this.#waits.set(operation.name, this.slowness);
    return operation;
  }

  #make(request: BulkInsert, machineType: string, operationGroupId: string): void {
    const { namePattern, instanceProperties } = request;
    const prefix = namePattern.replace(/#+$/, '');
    const taken = [...this.machines.values()].filter(({ name }) => name.startsWith(prefix)).length;
    const name = `${prefix}${String(taken + 1).padStart(4, '0')}`;
    const zone = this.#zones[taken % this.#zones.length] ?? '';
    const machine: GceMachine = {
      name,
      zone,
      machineType,
      request,
      spot: instanceProperties.scheduling.provisioningModel === 'SPOT',
      labels: instanceProperties.labels,
      creationTimestamp: new Date().toISOString().replace('Z', '+00:00'),
      status: 'RUNNING',
    };
    this.machines.set(`${zone}.${name}`, machine);
    this.#record('insert', machine, { operationGroupId });
  }

  /** "Troubleshooting resource availability": what could not be had, and where. */
  #stockOut(vmType: string): unknown {
    const zone = this.#zones[0] ?? '';
    return {
      code: 'ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS',
      message: `The zone '${zone}' does not have enough resources available to fulfill the request. '(resource type:compute)'.`,
      errorDetails: [
        {
          errorInfo: {
            reason: 'resource_availability',
            domain: 'compute.googleapis.com',
            metadatas: { vmType, zone, attachment: '' },
          },
        },
      ],
    };
  }

  #record(operationType: string, { zone, name }: GceMachine, more: Partial<Operation>): void {
    this.#operations.push({
      name: `operation-${randomUUID()}`,
      operationType,
      targetLink: this.#link(zone, `/instances/${name}`),
      insertTime: new Date().toISOString(),
      status: 'DONE',
      ...more,
    });
  }

  /** "regionOperations.wait": answers when it is done, or after two minutes, whichever is sooner; here at once. */
  #wait(name: string): Operation {
    const operation = [...this.#launches.values()].find((each) => each.name === name);
    if (!operation) throw notFound(name);
    const left = this.#waits.get(name) ?? 0;
    this.#waits.set(name, left - 1);
    if (left <= 0) operation.status = 'DONE';
    return operation;
  }

  /** "instances.aggregatedList": by zone, with what the filter and the fields leave of it. */
  #listInstances(query: ComputeRequest['query']): unknown {
    const matching = [...this.machines.values()].filter(
      ({ labels }) => this.ignoresFilters || matches(labels, query['filter'] ?? ''),
    );
    for (const machine of matching) {
      if (machine.status === 'STOPPING') this.machines.delete(`${machine.zone}.${machine.name}`);
    }
    const listed = matching.map(({ zone, name, status, machineType, creationTimestamp, labels, request }) => ({
      name,
      zone: this.#link(zone),
      status,
      machineType: this.#link(zone, `/machineTypes/${machineType}`),
      creationTimestamp,
      labels,
      ...(query['fields']?.includes('items/*/instances(') ? {} : { metadata: request.instanceProperties.metadata }),
    }));
    const { page, nextPageToken } = pageOf(listed, query);
    const items = Object.fromEntries(
      this.#zones.map((zone) => [
        `zones/${zone}`,
        { instances: page.filter((each) => each.zone === this.#link(zone)) },
      ]),
    );
    return { kind: 'compute#instanceAggregatedList', items, ...nextPageToken };
  }

  /** "globalOperations.aggregatedList". */
  #listOperations(query: ComputeRequest['query']): unknown {
    const [, field, value] = /^(operationType|operationGroupId) = "([^"]+)"$/.exec(query['filter'] ?? '') ?? [];
    if (field !== 'operationType' && field !== 'operationGroupId') throw invalid("Invalid value for field 'filter'");
    const found = this.#operations.filter((each) => each[field] === value);
    const { page, nextPageToken } = pageOf(
      query['orderBy'] === 'creationTimestamp desc' ? found.toReversed() : found,
      query,
    );
    return {
      kind: 'compute#operationAggregatedList',
      items: { [`zones/${this.#zones[0]}`]: { operations: page } },
      ...nextPageToken,
    };
  }

  /** "machineTypes.list". */
  #listTypes(zone: string, query: ComputeRequest['query']): unknown {
    if (!this.#zones.includes(zone)) throw notFound(zone);
    const { page, nextPageToken } = pageOf(this.types, query);
    return { kind: 'compute#machineTypeList', items: page, ...nextPageToken };
  }

  /** "instances.getSerialPortOutput". */
  #serialPort(zone: string, name: string): unknown {
    const contents = this.consoles.get(`${zone}.${name}`);
    if (contents === undefined && !this.machines.has(`${zone}.${name}`)) throw notFound(name);
    return {
      kind: 'compute#serialPortOutput',
      contents: contents ?? '',
      start: '0',
      next: String(contents?.length ?? 0),
    };
  }

  /** "instances.delete": an operation; until it is done the machine is listed as STOPPING. */
  #delete(zone: string, name: string): unknown {
    const machine = this.machines.get(`${zone}.${name}`);
    if (!machine) throw notFound(`projects/${this.#options.project}/zones/${zone}/instances/${name}`);
    if (machine.status === 'STOPPING') {
      throw new GoogleRefusal(400, 'resourceNotReady', `The resource '${name}' is not ready`);
    }
    machine.status = 'STOPPING';
    return { kind: 'compute#operation', name: `operation-${randomUUID()}`, operationType: 'delete', status: 'RUNNING' };
  }

  #listSkus(query: ComputeRequest['query']): unknown {
    const size = Number(query['pageSize'] ?? 5_000);
    if (size > 5_000) throw new GoogleRefusal(400, 'badRequest', 'page_size must be at most 5000');
    const from = Number(query['pageToken'] ?? 0);
    const to = from + size;
    return { skus: this.skus.slice(from, to), nextPageToken: to < this.skus.length ? String(to) : '' };
  }
}

/** Lists of Compute Engine have at most 500 to a page ("maxResults"). */
function pageOf<Item>(all: readonly Item[], query: ComputeRequest['query']) {
  const from = Number(query['pageToken'] ?? 0);
  const to = from + Math.min(500, Number(query['maxResults'] ?? 500));
  return { page: all.slice(from, to), nextPageToken: to < all.length ? { nextPageToken: String(to) } : {} };
}

/** `(labels.a = "b") OR (labels.a = "c") AND (labels.d = "e")`: what is joined by OR goes before AND. */
function matches(labels: GceMachine['labels'], filter: string): boolean {
  return filter.split(' AND ').every((all) =>
    all.split(' OR ').some((each) => {
      const [, name, value] = /^\(labels\.([a-z0-9_]+) = "([^"]*)"\)$/.exec(each) ?? [];
      if (name === undefined) throw invalid("Invalid value for field 'filter'");
      return labels[name] === value;
    }),
  );
}
