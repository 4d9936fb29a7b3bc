/**
 * Amazon EC2's Query API on the loopback address, as far as we call it: forms in, XML out. Each answer is as the
 * document says that is named beside it. It is no EC2: machines run nothing, and pools have exactly the capacity they are told.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type RunningServer, serve } from './git-http-server.ts';

export interface Ec2Machine {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly subnetId: string;
  readonly market: string;
  readonly imageId: string;
  readonly launchTemplateName: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly launchedAt: string;
  state: 'running' | 'shutting-down' | 'terminated';
  stateReason: { readonly code: string; readonly message: string } | undefined;
}

export interface Ec2Type {
  readonly name: string;
  readonly architecture: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly gpu?: { readonly count: number; readonly model: string };
}

/** A refusal: `Error codes for the Amazon EC2 API`, "Example error response". */
class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

type Form = Readonly<Record<string, string>>;
interface Override {
  readonly instanceType: string;
  readonly subnetId: string;
  readonly imageId: string;
}

const ZONES: Readonly<Record<string, string>> = {
  'subnet-a': 'us-east-1a',
  'subnet-b': 'us-east-1b',
  'subnet-c': 'us-east-1c',
};

export class Ec2Service {
  readonly machines = new Map<string, Ec2Machine>();
  /** By name. What their machines boot with is kept beside. */
  readonly launchTemplates = new Map<string, { readonly userData: string }>();
  /** Machines left in a pool, `type/zone/market`; any number where nothing is said. */
  readonly capacity = new Map<string, number>();
  /** What the next calls of an action are refused with. */
  readonly refusals: { action: string; code: string; message?: string; status?: number }[] = [];
  /** Actions that are carried out, and then the connection breaks. */
  readonly lostAnswers: string[] = [];
  /** Every request that came. */
  readonly requests: { readonly action: string; readonly form: Form }[] = [];
  readonly consoles = new Map<string, string>();
  readonly types: Ec2Type[] = [];
  readonly spotPrices: { type: string; zone: string; usd: string; at: string }[] = [];
  readonly #fleets = new Map<string, { readonly request: string; readonly answer: string }>();
  #server: RunningServer | undefined;
  #made = 0;

  async start(): Promise<string> {
    this.#server = await serve((request, response) => void this.#answer(request, response));
    return this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** As when EC2 takes a spot machine back ("StateReason"). */
  interrupt(instanceId: string): void {
    const message = 'Server.SpotInstanceTermination: Spot instance termination';
    this.#end(instanceId, { code: 'Server.SpotInstanceTermination', message });
  }

  /** As when its system shuts down, where that is to end it ("InstanceInitiatedShutdownBehavior"). */
  shutDown(instanceId: string): void {
    const message = 'Client.InstanceInitiatedShutdown: Instance initiated shutdown';
    this.#end(instanceId, { code: 'Client.InstanceInitiatedShutdown', message });
  }

  countOf(action: string): number {
    return this.requests.filter((request) => request.action === action).length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = Object.fromEntries(new URLSearchParams(await text(request)));
    const action = form['Action'] ?? '';
    this.requests.push({ action, form });
    const [status, body] = this.#carryOut(action, form);
    const lost = this.lostAnswers.indexOf(action);
    if (lost >= 0) {
      this.lostAnswers.splice(lost, 1);
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'text/xml;charset=UTF-8' });
    response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
  }

  #carryOut(action: string, form: Form): [number, string] {
    try {
      const index = this.refusals.findIndex((refusal) => refusal.action === action);
      const [refusal] = index >= 0 ? this.refusals.splice(index, 1) : [];
      if (refusal) throw new Refusal(refusal.code, refusal.message ?? 'as told', refusal.status);
      return [200, this.#result(action, form)];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message, status } = error;
      return [
        status,
        `<Response><Errors><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error></Errors><RequestID>r</RequestID></Response>`,
      ];
    }
  }

  #result(action: string, form: Form): string {
    switch (action) {
      case 'CreateFleet':
        return this.#createFleet(form);
      case 'DescribeInstances':
        return this.#describeInstances(form);
      case 'TerminateInstances':
        return this.#terminateInstances(form);
      case 'DescribeSubnets':
        return this.#describeSubnets(form);
      case 'DescribeInstanceTypes':
        return tag('DescribeInstanceTypesResponse', tag('instanceTypeSet', this.types.map(typeItem)));
      case 'DescribeSpotPriceHistory':
        return this.#describeSpotPriceHistory(form);
      case 'DescribeAvailabilityZones':
        return tag(
          'DescribeAvailabilityZonesResponse',
          tag('availabilityZoneInfo', Object.values(ZONES).map(zoneItem)),
        );
      case 'GetSpotPlacementScores':
        return tag('GetSpotPlacementScoresResponse', tag('spotPlacementScoreSet', SCORES.map(scoreItem)));
      case 'GetConsoleOutput':
        return this.#getConsoleOutput(form);
      default:
        throw new Refusal('InvalidAction', `The action ${action} is not valid for this web service.`);
    }
  }

  /** "CreateFleet" and "Use an EC2 Fleet of type 'instant'": what could be had, and an error for each override that could not. */
  #createFleet(form: Form): string {
    const token = form['ClientToken'] ?? crypto.randomUUID();
    const request = JSON.stringify(form);
    const before = this.#fleets.get(token);
    // "Ensuring idempotency in Amazon EC2 API requests".
    if (before && before.request !== request) {
      throw new Refusal('IdempotentParameterMismatch', 'The client token was used with other parameters.');
    }
    if (before) return before.answer;
    const config = 'LaunchTemplateConfigs.1';
    const launchTemplateName = form[`${config}.LaunchTemplateSpecification.LaunchTemplateName`] ?? '';
    if (!this.launchTemplates.has(launchTemplateName)) {
      throw new Refusal(
        'InvalidLaunchTemplateName.NotFoundException',
        'At least one of the launch templates specified in the request does not exist.',
      );
    }
    if (form['DryRun'] === 'true') {
      throw new Refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    }
    const market = form['TargetCapacitySpecification.DefaultTargetCapacityType'] ?? 'on-demand';
    if (market === 'on-demand' && Object.keys(form).some((key) => key.startsWith('SpotOptions'))) {
      throw new Refusal('InvalidParameterCombination', 'Spot options in a request for On-Demand Instances.');
    }
    const overrides = numbered(form, `${config}.Overrides`).map(
      (prefix): Override => ({
        instanceType: form[`${prefix}.InstanceType`] ?? '',
        subnetId: form[`${prefix}.SubnetId`] ?? '',
        imageId: form[`${prefix}.ImageId`] ?? '',
      }),
    );
    const tags = tagsOf(form, 'instance');
    let wanted = Number(form['TargetCapacitySpecification.TotalTargetCapacity']);
    const launched: [Override, string[]][] = [];
    const errors: Override[] = [];
    for (const override of overrides) {
      const pool = `${override.instanceType}/${ZONES[override.subnetId]}/${market}`;
      const left = this.capacity.get(pool) ?? Number.POSITIVE_INFINITY;
      const count = Math.min(wanted, left);
      this.capacity.set(pool, left - count);
      wanted -= count;
      const ids = Array.from({ length: count }, () => this.#launch(override, { market, launchTemplateName, tags }));
      if (ids.length > 0) launched.push([override, ids]);
      if (left < Number.POSITIVE_INFINITY && wanted > 0) errors.push(override);
    }
    const errorItems = wanted > 0 ? errors.map((override) => errorItem(override, market)) : [];
    const answer = tag('CreateFleetResponse', [
      tag('requestId', 'r'),
      tag('fleetId', `fleet-${token}`),
      tag('errorSet', errorItems),
      tag(
        'fleetInstanceSet',
        launched.map(([override, ids]) =>
          tag('item', [
            tag('instanceType', override.instanceType),
            tag('lifecycle', market),
            tag(
              'instanceIds',
              ids.map((id) => tag('item', id)),
            ),
            templateAndOverrides(override),
          ]),
        ),
      ),
    ]);
    this.#fleets.set(token, { request, answer });
    return answer;
  }

  #launch(
    { instanceType, subnetId, imageId }: Override,
    of: Pick<Ec2Machine, 'market' | 'launchTemplateName' | 'tags'>,
  ): string {
    this.#made += 1;
    const instanceId = `i-${this.#made.toString(16).padStart(17, '0')}`;
    const launchedAt = new Date().toISOString();
    this.machines.set(instanceId, {
      instanceId,
      instanceType,
      subnetId,
      imageId,
      launchedAt,
      state: 'running',
      stateReason: undefined,
      ...of,
    });
    return instanceId;
  }

  /** "DescribeInstances": filters by tag, pages of `MaxResults`. */
  #describeInstances(form: Form): string {
    const filters = numbered(form, 'Filter').map((prefix) => ({
      name: (form[`${prefix}.Name`] ?? '').replace(/^tag:/, ''),
      values: numbered(form, `${prefix}.Value`).map((key) => form[key]),
    }));
    const matching = [...this.machines.values()].filter((machine) =>
      filters.every(({ name, values }) => values.includes(machine.tags[name])),
    );
    const from = Number(form['NextToken'] ?? 0);
    const to = from + Number(form['MaxResults'] ?? 1_000);
    return tag('DescribeInstancesResponse', [
      tag('requestId', 'r'),
      tag(
        'reservationSet',
        matching.slice(from, to).map((machine) => tag('item', tag('instancesSet', tag('item', instanceItem(machine))))),
      ),
      ...(to < matching.length ? [tag('nextToken', String(to))] : []),
    ]);
  }

  /** "TerminateInstances": one unknown id refuses the whole request. */
  #terminateInstances(form: Form): string {
    const ids = numbered(form, 'InstanceId').map((key) => form[key] ?? '');
    const unknown = ids.filter((id) => !this.machines.has(id));
    if (unknown.length > 0) {
      throw new Refusal('InvalidInstanceID.NotFound', `The instance IDs '${unknown.join(', ')}' do not exist`);
    }
    for (const id of ids) {
      const message = 'Client.UserInitiatedShutdown: User initiated shutdown';
      this.#end(id, { code: 'Client.UserInitiatedShutdown', message });
    }
    return tag('TerminateInstancesResponse', [tag('requestId', 'r'), tag('instancesSet', '')]);
  }

  #end(instanceId: string, reason: Ec2Machine['stateReason']): void {
    const machine = this.machines.get(instanceId);
    if (machine?.state !== 'running') return;
    machine.state = 'shutting-down';
    machine.stateReason = reason;
  }

  #describeSubnets(form: Form): string {
    const ids = numbered(form, 'SubnetId').map((key) => form[key] ?? '');
    const unknown = ids.find((id) => !ZONES[id]);
    if (unknown) throw new Refusal('InvalidSubnetID.NotFound', `The subnet ID '${unknown}' does not exist`);
    const item = (id: string): string =>
      tag('item', [
        tag('subnetId', id),
        tag('availabilityZone', ZONES[id] ?? ''),
        tag('availableIpAddressCount', '251'),
      ]);
    return tag('DescribeSubnetsResponse', [tag('requestId', 'r'), tag('subnetSet', ids.map(item))]);
  }

  /** "DescribeSpotPriceHistory": with one start and end, the prices that were in force at that moment. */
  #describeSpotPriceHistory(form: Form): string {
    const zones = numbered(form, 'Filter.1.Value').map((key) => form[key]);
    const items = this.spotPrices
      .filter(({ zone }) => zones.includes(zone))
      .map(({ type, zone, usd, at }) =>
        tag('item', [
          tag('instanceType', type),
          tag('productDescription', 'Linux/UNIX'),
          tag('spotPrice', usd),
          tag('timestamp', at),
          tag('availabilityZone', zone),
        ]),
      );
    return tag('DescribeSpotPriceHistoryResponse', tag('spotPriceHistorySet', items));
  }

  /** "GetConsoleOutput": base64, and nothing at all for a machine that has printed nothing yet. */
  #getConsoleOutput(form: Form): string {
    const instanceId = form['InstanceId'] ?? '';
    const output = this.consoles.get(instanceId);
    return tag('GetConsoleOutputResponse', [
      tag('requestId', 'r'),
      tag('instanceId', instanceId),
      ...(output === undefined ? [] : [tag('output', Buffer.from(output).toString('base64'))]),
    ]);
  }
}

/** Of "DescribeInstanceTypes". */
export const typeItem = ({ name, architecture, vcpus, memoryMiB, gpu }: Ec2Type): string =>
  tag('item', [
    tag('instanceType', name),
    tag('processorInfo', tag('supportedArchitectures', tag('item', architecture))),
    tag('vCpuInfo', tag('defaultVCpus', String(vcpus))),
    tag('memoryInfo', tag('sizeInMiB', String(memoryMiB))),
    ...(gpu
      ? [tag('gpuInfo', tag('gpus', tag('item', [tag('name', gpu.model), tag('count', String(gpu.count))])))]
      : []),
  ]);

const zoneItem = (name: string, index: number): string =>
  tag('item', [tag('zoneName', name), tag('zoneId', `use1-az${index + 4}`)]);

/** "SpotPlacementScore": zones by their ids, 10 is best. */
const SCORES = [
  ['use1-az5', 3],
  ['use1-az4', 9],
] as const;
const scoreItem = ([zoneId, score]: (typeof SCORES)[number]): string =>
  tag('item', [tag('region', 'us-east-1'), tag('availabilityZoneId', zoneId), tag('score', String(score))]);

const errorItem = (override: Override, market: string): string =>
  tag('item', [
    tag('errorCode', 'InsufficientInstanceCapacity'),
    tag('errorMessage', `We currently do not have sufficient ${override.instanceType} capacity.`),
    tag('lifecycle', market),
    templateAndOverrides(override),
  ]);

const templateAndOverrides = ({ instanceType, subnetId }: Override): string =>
  tag('launchTemplateAndOverrides', tag('overrides', [tag('instanceType', instanceType), tag('subnetId', subnetId)]));

function instanceItem(machine: Ec2Machine): string[] {
  const { stateReason } = machine;
  return [
    tag('instanceId', machine.instanceId),
    tag('instanceType', machine.instanceType),
    tag('instanceState', tag('name', machine.state)),
    tag('launchTime', machine.launchedAt),
    ...(stateReason ? [tag('stateReason', [tag('code', stateReason.code), tag('message', stateReason.message)])] : []),
    tag(
      'tagSet',
      Object.entries(machine.tags).map(([key, value]) => tag('item', [tag('key', key), tag('value', escaped(value))])),
    ),
  ];
}

/** `Filter.1`, `Filter.2` … as far as the form has them. */
function numbered(form: Form, prefix: string): string[] {
  const found: string[] = [];
  for (let n = 1; Object.keys(form).some((key) => `${key}.`.startsWith(`${prefix}.${n}.`)); n += 1) {
    found.push(`${prefix}.${n}`);
  }
  return found;
}

function tagsOf(form: Form, resourceType: string): Record<string, string> {
  const specification = numbered(form, 'TagSpecification').find((key) => form[`${key}.ResourceType`] === resourceType);
  if (!specification) return {};
  const pairs = numbered(form, `${specification}.Tag`).map((key) => [form[`${key}.Key`], form[`${key}.Value`]]);
  return Object.fromEntries(pairs);
}

const tag = (name: string, content: string | readonly string[]): string =>
  `<${name}>${typeof content === 'string' ? content : content.join('')}</${name}>`;
const escaped = (raw: string): string => raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
