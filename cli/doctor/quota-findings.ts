/**
 * Whether quotas leave room for the machines that `fleets.yml` asks for, told before a launch meets them: a line for each fleet
 * and market, with how it was reckoned (`core/vcpu-quota.ts`), and the command that asks for more.
 */
import type { MachineShape } from '../../core/choose-instances.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Market } from '../../core/offer.ts';
import { machinesWithin, type QuotaNeed, quotaNeeds } from '../../core/vcpu-quota.ts';
import { type Finding, failed, ok, skipped, warned } from './finding.ts';

export interface VcpuQuota {
  readonly name: string;
  readonly vcpus: number;
}

export interface QuotaSource {
  /** As findings of this cloud begin. */
  readonly cloud: string;
  readonly fleets: readonly Fleet[];
  readonly machines: readonly MachineShape[];
  readonly quotaOf: (instanceType: string, market: Market) => string | undefined;
  /** `undefined` for a quota that is not told. */
  readonly read: (quota: string) => Promise<VcpuQuota | undefined>;
  /** The command that asks for so many vCPUs. */
  readonly raise: (quota: string, vcpus: number, market: Market) => string;
}

const MARKETS: Readonly<Record<Fleet['market'], readonly Market[]>> = {
  spot: ['spot'],
  'on-demand': ['on-demand'],
  'spot-then-on-demand': ['spot', 'on-demand'],
};

/** What a fleet may need of one market's quotas. */
interface Demand {
  readonly what: string;
  readonly fleet: Fleet;
  readonly market: Market;
  readonly needs: readonly QuotaNeed[];
}

/** Of a fleet that draws on several quotas, only what is asked for of the first is counted. */
const vcpusOf = ({ fleet, needs }: Demand): number => fleet.maxInstances * (needs[0]?.smallest.vcpus ?? 0);

export async function quotaFindings(source: QuotaSource): Promise<Finding[]> {
  const demands = source.fleets.flatMap((fleet) =>
    MARKETS[fleet.market].map((market) => demandOf(source, fleet, market)),
  );
  const readings = new Map<string, ReturnType<QuotaSource['read']>>();
  const read: QuotaSource['read'] = (quota) => {
    const reading = readings.get(quota) ?? source.read(quota);
    readings.set(quota, reading);
    return reading;
  };
  return Promise.all(demands.map(async (demand) => findingOf(source, demands, await grantOf(demand, read))));
}

function demandOf({ cloud, machines, quotaOf }: QuotaSource, fleet: Fleet, market: Market): Demand {
  const needs = quotaNeeds(fleet, machines, (instanceType) => quotaOf(instanceType, market));
  return { what: `${cloud}: ${market} quota of ${fleet.name}`, fleet, market, needs };
}

/** The quotas that were read, in the order of the needs, and the machines that they hold. */
interface Grant {
  readonly demand: Demand;
  readonly held: readonly { readonly need: QuotaNeed; readonly limit: VcpuQuota }[];
  readonly machines: number;
}

/** Quotas are read only until there is room for all machines: mostly that is the first. */
async function grantOf(demand: Demand, read: QuotaSource['read']): Promise<Grant> {
  const held: Grant['held'][number][] = [];
  let machines = 0;
  for (const need of demand.needs) {
    if (machines >= demand.fleet.maxInstances) break;
    const limit = await read(need.quota);
    if (!limit) continue;
    held.push({ need, limit });
    machines += machinesWithin(limit.vcpus, need);
  }
  return { demand, held, machines };
}

function findingOf({ raise }: QuotaSource, all: readonly Demand[], { demand, held, machines }: Grant): Finding {
  const { what, fleet, market, needs } = demand;
  const [first] = held;
  if (needs.length === 0) return skipped(what, 'no machine that is known here holds a slot of this fleet');
  if (!first) return skipped(what, 'the quotas of machines that hold a slot of this fleet are not told');
  const { quota, smallest } = first.need;
  const most = fleet.maxInstances;
  const ofAll = all.filter((each) => each.needs[0]?.quota === quota).reduce((sum, each) => sum + vcpusOf(each), 0);
  const asked = Math.max(ofAll, most * smallest.vcpus);
  const mend = raise(quota, asked, market);
  const reckoned = held
    .filter(({ limit }, index) => index === 0 || limit.vcpus > 0)
    .map(
      ({ need, limit: { vcpus, name } }) =>
        `${vcpus} vCPUs of ${name}, ${need.smallest.vcpus} for the smallest machine that holds a slot (${need.smallest.instanceType})`,
    )
    .join('; ');
  if (machines === 0) return failed(what, `this fleet can have none of its ${most} machines: ${reckoned}`, mend);
  if (machines < most) {
    return warned(what, `this fleet can have ${machines} of its ${most} machines at a time: ${reckoned}`, mend);
  }
  if (held.length === 1 && asked > first.limit.vcpus) {
    return warned(
      what,
      `all fleets together may need ${asked} vCPUs at a time, this one alone fits: ${reckoned}`,
      mend,
    );
  }
  return ok(what, `room for all ${most} machines: ${reckoned}`);
}
