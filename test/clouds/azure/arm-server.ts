/**
 * Azure Resource Manager's machines, sizes and retail prices on the loopback address, as far as we ask for them; each answer
 * is as the document says that is named beside it. It is no Azure: machines run nothing (unless told by `onChange`), and
 * sizes have exactly the capacity they are told.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type LoopbackServer, listenOnLoopback } from '../../../local/emulators/protocol/loopback-server.ts';
import { type ArmMachineBody, checkedMachine } from './arm-machine-body.ts';
import { Refusal } from './arm-refusal.ts';
import { type RetailPrice, retailPricesPage } from './retail-prices.ts';

export interface ArmMachine {
  readonly id: string;
  readonly name: string;
  readonly body: ArmMachineBody;
  readonly timeCreated: string;
  provisioningState: 'Creating' | 'Succeeded' | 'Failed' | 'Deleting';
  /** `PowerState/…`, once it has one. */
  power: string | undefined;
  /** The code of what it could not be made for. */
  failure?: string;
}

export interface ArmSize {
  readonly name: string;
  readonly resourceType?: string;
  /** Names and values of "Resource Skus - List", ResourceSkuCapabilities. */
  readonly capabilities: Readonly<Record<string, string>>;
  /** `NotAvailableForSubscription`, `QuotaId`. */
  readonly restricted?: string;
}

export type ArmOperationName = 'put' | 'get' | 'list' | 'statuses' | 'delete' | 'operation' | 'skus' | 'prices';

interface Call {
  readonly name: ArmOperationName;
  readonly url: URL;
  readonly machine: string;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface Operation {
  polls: number;
  readonly machine: ArmMachine;
  readonly failure: { readonly code: string; readonly message: string } | undefined;
}

export interface ArmServerOptions {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly port?: number;
  /** What must be in the header `Authorization`; without it nothing must, and nothing may. */
  readonly token?: string;
  /** Told when a machine is there, and when it is gone: who wants to can let something run for it. */
  readonly onChange?: (machine: ArmMachine, change: 'made' | 'gone') => void;
}

const VERSIONS: Readonly<Record<ArmOperationName, RegExp>> = {
  put: /^2024-07-01$/,
  get: /^2024-07-01$/,
  list: /^2024-07-01$/,
  statuses: /^2024-07-01$/,
  delete: /^2024-07-01$/,
  operation: /^2024-07-01$/,
  skus: /^2021-07-01$/,
  prices: /^2023-01-01-preview$/,
};

export class ArmServer {
  /** Those that are there, by name. */
  readonly machines = new Map<string, ArmMachine>();
  /** Machines left of a size, `Standard_D2s_v5/spot`: refused at once when there are none; any number where nothing is said. */
  readonly capacity = new Map<string, number>();
  /** As `capacity`, but found out only after the machine was accepted: "AllocationFailed". */
  readonly lateCapacity = new Map<string, number>();
  /** What the next calls are refused with. */
  readonly refusals: { name: ArmOperationName; code: string; message?: string; status: number }[] = [];
  /** Calls that are carried out, and then the connection breaks. */
  readonly lostAnswers: ArmOperationName[] = [];
  readonly requests: { readonly name: ArmOperationName; readonly url: string; readonly machine: string }[] = [];
  readonly sizes: ArmSize[] = [];
  readonly prices: RetailPrice[] = [];
  /** Machines a page. */
  pageSize = 50;
  /** Which of its two headers it names an operation by. */
  trackBy: 'azure-asyncoperation' | 'location' = 'azure-asyncoperation';
  /** Where the next page is said to be, if not here. */
  nextLinkOrigin: string | undefined;
  /** How often an operation is still under way when it is asked for. */
  pollsUntilDone = 0;
  readonly #options: ArmServerOptions;
  readonly #operations = new Map<string, Operation>();
  #server: LoopbackServer | undefined;

  constructor(options: ArmServerOptions) {
    this.#options = options;
  }

  async start(): Promise<string> {
    this.#server = await listenOnLoopback('ARM', this.#options.port ?? 0, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    return this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  countOf(name: ArmOperationName): number {
    return this.requests.filter((request) => request.name === name).length;
  }

  /** As when Azure takes a spot machine back whose eviction policy is to delete it ("Use Azure Spot Virtual Machines"). */
  evict(name: string): void {
    this.#remove(name);
  }

  /** As when it turns out after a while that a machine cannot be made ("States and billing status"). */
  fail(name: string, code: string): void {
    const machine = this.machines.get(name);
    if (machine) Object.assign(machine, { provisioningState: 'Failed', failure: code, power: undefined });
  }

  /** As when somebody gives its place on a host away, or Azure does so by another eviction policy than ours. */
  deallocate(name: string): void {
    const machine = this.machines.get(name);
    if (machine) machine.power = 'PowerState/deallocated';
  }

  /** As when the guest switches itself off: it is there, and costs, until it is deleted. */
  stopGuest(name: string): void {
    const machine = this.machines.get(name);
    if (machine) machine.power = 'PowerState/stopped';
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const body = await text(request);
    const answer = this.#answer(request, url, body);
    const name = this.requests.at(-1)?.name;
    const lost = name ? this.lostAnswers.indexOf(name) : -1;
    if (lost >= 0) {
      this.lostAnswers.splice(lost, 1);
      response.destroy();
      return;
    }
    const headers = { ...answer.headers, ...(answer.body === undefined ? {} : { 'content-type': 'application/json' }) };
    response.writeHead(answer.status, headers).end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  }

  #answer(request: IncomingMessage, url: URL, body: string): Answer {
    try {
      const found = this.#find(request.method ?? '', url);
      this.requests.push({ ...found, url: url.href });
      this.#check(found.name, request, url);
      return this.#carryOut({ ...found, url, body, headers: request.headers });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message, status, headers } = error;
      return { status, headers, body: { error: { code, message } } };
    }
  }

  /** Paths are the same in any case ("Azure Resource Manager overview"). */
  #find(method: string, { pathname, searchParams }: URL): { name: ArmOperationName; machine: string } {
    if (pathname === '/api/retail/prices' && method === 'GET') return { name: 'prices', machine: '' };
    const { subscriptionId, resourceGroup } = this.#options;
    const subscription = `/subscriptions/${subscriptionId}`;
    const compute = '/providers/Microsoft.Compute';
    const group = `${subscription}/resourceGroups/${resourceGroup}${compute}/virtualMachines`;
    if (pathname === group && method === 'GET') return { name: 'list', machine: '' };
    if (pathname.startsWith(`${group}/`)) {
      const machine = decodeURIComponent(pathname.slice(group.length + 1));
      if (method === 'PUT') return { name: 'put', machine };
      if (method === 'GET') return { name: 'get', machine };
      if (method === 'DELETE') return { name: 'delete', machine };
    }
    if (method === 'GET' && pathname === `${subscription}${compute}/virtualMachines`) {
      if (searchParams.get('statusOnly') === 'true') return { name: 'statuses', machine: '' };
    }
    if (method === 'GET' && pathname === `${subscription}${compute}/skus`) return { name: 'skus', machine: '' };
    const operation = new RegExp(`^${subscription}${compute}/locations/\\w+/operations/([\\w-]+)$`).exec(pathname);
    if (method === 'GET' && operation) return { name: 'operation', machine: operation[1] ?? '' };
    throw new Refusal(404, 'ResourceNotFound', `${method} ${pathname} is nothing that is here`);
  }

  #check(name: ArmOperationName, { headers }: IncomingMessage, url: URL): void {
    const version = url.searchParams.get('api-version') ?? '';
    if (!version) throw new Refusal(400, 'MissingApiVersionParameter', 'The api-version query parameter is required.');
    if (!VERSIONS[name].test(version)) throw new Refusal(400, 'InvalidApiVersionParameter', `${version} is not here`);
    // "The API doesn't need any authentication": a token has no business there.
    const { token } = this.#options;
    const expected = name === 'prices' ? undefined : token && `Bearer ${token}`;
    if (headers.authorization !== expected) {
      throw new Refusal(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is wrong.");
    }
    const index = this.refusals.findIndex((refusal) => refusal.name === name);
    const [refusal] = index >= 0 ? this.refusals.splice(index, 1) : [];
    if (refusal) throw new Refusal(refusal.status, refusal.code, refusal.message ?? 'as told');
  }

  #carryOut(call: Call): Answer {
    switch (call.name) {
      case 'put':
        return this.#put(call);
      case 'get':
        return { status: 200, body: machineAnswer(this.#existing(call.machine)) };
      case 'list':
        return this.#page(call.url, [...this.machines.values()].map(machineAnswer));
      case 'statuses':
        return this.#page(call.url, [...this.machines.values()].map(statusAnswer));
      case 'delete':
        return this.#delete(call);
      case 'operation':
        return this.#operation(call.machine);
      case 'skus':
        return { status: 200, body: { value: this.#skus(call.url) } };
      case 'prices':
        return { status: 200, body: retailPricesPage(this.prices, call.url, this.pageSize) };
    }
  }

  /** "Virtual Machines - Create Or Update": 201 and an operation to follow. */
  #put({ machine: name, url, body, headers }: Call): Answer {
    if (headers['if-none-match'] !== undefined && headers['if-none-match'] !== '*') {
      throw new Refusal(400, 'InvalidParameter', "If-None-Match takes nothing but '*'.");
    }
    const asked = checkedMachine(name, body);
    const there = this.machines.get(name);
    if (there && headers['if-none-match'] === '*') {
      throw new Refusal(412, 'PreconditionFailed', `The resource ${name} exists.`);
    }
    if (there) throw new Refusal(409, 'PropertyChangeNotAllowed', "Changing property 'osProfile' is not allowed.");
    const pool = `${asked.properties.hardwareProfile.vmSize}/${asked.properties.priority === 'Spot' ? 'spot' : 'on-demand'}`;
    if (!take(this.capacity, pool)) {
      const size = asked.properties.hardwareProfile.vmSize;
      // "Error messages for Azure Spot Virtual Machines and scale sets".
      const message = `The requested tier for resource '${size}' is currently not available in location '${asked.location}' for subscription. Try another tier or deploy to a different location.`;
      throw new Refusal(409, 'SkuNotAvailable', message);
    }
    const { subscriptionId, resourceGroup } = this.#options;
    const machine: ArmMachine = {
      id: `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup.toUpperCase()}/providers/Microsoft.Compute/virtualMachines/${name}`,
      name,
      body: asked,
      // With as many digits as .NET writes.
      timeCreated: new Date().toISOString().replace('Z', '0000+00:00'),
      provisioningState: 'Creating',
      power: undefined,
    };
    this.machines.set(name, machine);
    const failure = take(this.lateCapacity, pool) ? undefined : ALLOCATION_FAILED;
    if (!failure) this.#options.onChange?.(machine, 'made');
    const operationId = randomUUID();
    this.#operations.set(operationId, { polls: 0, machine, failure });
    const operation = `${url.origin}/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/${asked.location}/operations/${operationId}?p=0&api-version=2024-07-01`;
    const answered = { [this.trackBy]: operation, 'retry-after': '0' };
    return { status: 201, headers: answered, body: machineAnswer(machine) };
  }

  /** "Track asynchronous Azure operations": `InProgress`, then how it ended. */
  #operation(id: string): Answer {
    const operation = this.#operations.get(id);
    if (!operation) throw new Refusal(404, 'NotFound', 'The operation is not here.');
    operation.polls += 1;
    const { machine, failure, polls } = operation;
    const byLocation = this.trackBy === 'location';
    if (polls <= this.pollsUntilDone) {
      const headers = { 'retry-after': '0' };
      return byLocation ? { status: 202, headers } : { status: 200, headers, body: { name: id, status: 'InProgress' } };
    }
    if (machine.provisioningState === 'Creating') {
      machine.provisioningState = failure ? 'Failed' : 'Succeeded';
      if (failure) machine.failure = failure.code;
      if (!failure) machine.power = 'PowerState/running';
    }
    if (byLocation)
      return failure ? { status: 409, body: { error: failure } } : { status: 200, body: machineAnswer(machine) };
    return {
      status: 200,
      body: failure ? { name: id, status: 'Failed', error: failure } : { name: id, status: 'Succeeded' },
    };
  }

  /** "Virtual Machines - Delete": 202 and an operation to follow, 204 for what is not there. It is listed a while longer. */
  #delete({ machine: name, url }: Call): Answer {
    const machine = this.machines.get(name);
    if (!machine) return { status: 204 };
    if (machine.provisioningState !== 'Deleting') {
      machine.provisioningState = 'Deleting';
      this.#options.onChange?.(machine, 'gone');
    }
    const location = `${url.origin}/subscriptions/${this.#options.subscriptionId}/providers/Microsoft.Compute/locations/x/operations/none?monitor=true&api-version=2024-07-01`;
    return { status: 202, headers: { location, 'retry-after': '0' } };
  }

  #remove(name: string): void {
    const machine = this.machines.get(name);
    if (!machine) return;
    this.machines.delete(name);
    if (machine.provisioningState !== 'Deleting') this.#options.onChange?.(machine, 'gone');
  }

  #existing(name: string): ArmMachine {
    const machine = this.machines.get(name);
    if (!machine) throw new Refusal(404, 'ResourceNotFound', `The resource ${name} was not found.`);
    return machine;
  }

  /** `nextLink` where there is more. What was being deleted is gone when all of it was listed. */
  #page(url: URL, all: readonly unknown[]): Answer {
    const from = Number(url.searchParams.get('$skiptoken') ?? 0);
    const value = all.slice(from, from + this.pageSize);
    if (from + this.pageSize >= all.length) {
      if (!url.searchParams.has('statusOnly')) return { status: 200, body: { value } };
      for (const [name, machine] of this.machines)
        if (machine.provisioningState === 'Deleting') this.machines.delete(name);
      return { status: 200, body: { value } };
    }
    const next = new URL(url.pathname + url.search, this.nextLinkOrigin ?? url);
    next.searchParams.set('$skiptoken', String(from + this.pageSize));
    return { status: 200, body: { value, nextLink: next.href } };
  }

  /** "Resource Skus - List": only the filter by location is known there. */
  #skus(url: URL): readonly unknown[] {
    const location = /^location eq '(\w+)'$/.exec(url.searchParams.get('$filter') ?? '')?.[1];
    if (!location) throw new Refusal(400, 'InvalidParameter', 'Only location eq is supported.');
    return this.sizes.map(({ name, resourceType = 'virtualMachines', capabilities, restricted }) => ({
      resourceType,
      name,
      locations: [location],
      capabilities: Object.entries(capabilities).map(([key, value]) => ({ name: key, value })),
      restrictions: restricted ? [{ type: 'Location', values: [location], reasonCode: restricted }] : [],
    }));
  }
}

/** "Troubleshooting allocation failures when you create, restart, or resize virtual machines in Azure". */
const ALLOCATION_FAILED = {
  code: 'AllocationFailed',
  message: 'Allocation failed. We do not have sufficient capacity for the requested VM size in this region.',
};

function take(capacity: Map<string, number>, pool: string): boolean {
  const left = capacity.get(pool);
  if (left === undefined) return true;
  if (left > 0) capacity.set(pool, left - 1);
  return left > 0;
}

/** Secrets of its system are in no answer ("Virtual Machines - Get": customData is not returned). */
function machineAnswer({ id, name, body, timeCreated, provisioningState }: ArmMachine): unknown {
  const { customData: _, ...osProfile } = body.properties.osProfile;
  return {
    id,
    name,
    type: 'Microsoft.Compute/virtualMachines',
    location: body.location,
    tags: body.tags,
    properties: { ...body.properties, osProfile, provisioningState, timeCreated },
  };
}

function statusAnswer({ id, name, provisioningState, power, failure, body }: ArmMachine): unknown {
  // "Virtual Machines - Instance View": what failed has the code of why.
  const state = [provisioningState.toLowerCase(), ...(failure ? [failure] : [])].join('/');
  const codes = [`ProvisioningState/${state}`, ...(power ? [power] : [])];
  const statuses = codes.map((code) => ({ code, level: 'Info' }));
  return { id, name, location: body.location, properties: { provisioningState, instanceView: { statuses } } };
}
