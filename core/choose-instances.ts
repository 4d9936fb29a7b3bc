/**
 * Which machine to rent, decided: `chooseInstances(requirements, workload, offers)`.
 *
 * Offers that fit are ranked by *dollars per finished task*, not by price: a machine costs while it boots and idles, a slot
 * that nobody fills costs as much as a busy one, and what an interruption destroys is paid twice.
 *
 *     slots       = tasks that fit, by vCPU, memory (less what the system keeps), GPU
 *     filled      = slots, or fewer where there are not enough tasks for all machines' slots
 *     $ per hour  = the offer, and the disk that its slots need beyond the one included
 *     seconds     = boot + work + stragglers + idle             what is paid for
 *     stragglers  = a task × (1 − 1 ÷ slots)                    a machine ends with the last of its slots
 *     lost        = interruptions a second × (half a task + a new boot)
 *     $ per task  = $ per hour × seconds ÷ (filled × work × (1 − lost) ÷ seconds a task)
 *
 * Every offer comes back: ranked, with how it compares to the best one, or refused, with the first rule that it breaks.
 */
import { counted } from './counted.ts';
import type { Fleet } from './fleet.ts';
import { usd } from './money.ts';
import { type Offer, poolOf } from './offer.ts';
import { usableMemoryMiB } from './usable-memory.ts';

/** What a fleet asks of its machines, as `fleets.yml` says it. */
export type MachineRequirements = Pick<
  Fleet,
  'provider' | 'slot' | 'architectures' | 'market' | 'maxHourlyPriceUsd' | 'allowedTypes' | 'gpu'
>;

/** What a machine is, whatever it costs and however it is bought. */
export type MachineShape = Pick<Offer, 'instanceType' | 'architecture' | 'vcpus' | 'memoryMiB' | 'gpus'>;

/** What the machines would do. */
export interface Workload {
  /** How many slots there is work for. */
  readonly slotsWanted: number;
  readonly secondsPerTask: number;
  /** How long a machine has work once it is ready. */
  readonly workSeconds: number;
  readonly bootSeconds: number;
  readonly idleSeconds: number;
}

/** Work that nothing runs of yet, as a fleet's machines would do it within the drain target. */
export interface WorkToCome {
  readonly tasks: number;
  readonly slotsPerTask: number;
  readonly secondsPerTask: number;
  readonly bootSeconds: number;
}

export function workloadToCome(
  { drainTargetSeconds, idleSeconds }: Pick<Fleet, 'drainTargetSeconds' | 'idleSeconds'>,
  { tasks, slotsPerTask, secondsPerTask, bootSeconds }: WorkToCome,
): Workload {
  const slots = tasks * slotsPerTask;
  return {
    slotsWanted: Math.ceil(Math.min(slots, (slots * secondsPerTask) / drainTargetSeconds)),
    secondsPerTask,
    workSeconds: Math.max(secondsPerTask, drainTargetSeconds),
    bootSeconds,
    idleSeconds,
  };
}

export interface MarketKnowledge {
  /** Pools (`poolOf`) that had no capacity a moment ago. */
  readonly soldOut?: ReadonlySet<string>;
}

export interface Choice {
  readonly offer: Offer;
  /** Tasks that it runs at a time. */
  readonly slots: number;
  /** The disk to launch it with. */
  readonly diskGiB: number;
  /** With that disk. */
  readonly hourlyPriceUsd: number;
  readonly usdPerTask: number;
  /** How it compares, in words. */
  readonly reason: string;
}

export interface Selection {
  /** The best first. */
  readonly choices: readonly Choice[];
  readonly refused: readonly { readonly offer: Offer; readonly reason: string }[];
}

/** Of one GiB of gp3: $0.08 a month of 730 hours (Amazon EBS pricing, us-east-1). */
export const DISK_GIB_USD_PER_HOUR = 0.08 / 730;
/** Of a spot machine of which nobody has said: about once in a day of running. Public traces range from 0.02 to 1.4. */
const UNKNOWN_INTERRUPTIONS_PER_HOUR = 0.04;
/** However often a machine is lost, some of its work counts. */
const MOST_LOST_SHARE = 0.95;

/** Ranks offers by dollars per finished task. Pure; linear in the offers but for the sort. */
export function chooseInstances(
  requirements: MachineRequirements,
  workload: Workload,
  offers: readonly Offer[],
  knowledge: MarketKnowledge = {},
): Selection {
  const candidates: Omit<Choice, 'reason'>[] = [];
  const refused: { offer: Offer; reason: string }[] = [];
  for (const offer of offers) {
    const fitted = fittedTo(requirements, offer, knowledge);
    if ('reason' in fitted) refused.push({ offer, reason: fitted.reason });
    else candidates.push({ ...fitted, usdPerTask: usdPerTask(fitted, workload) });
  }
  candidates.sort(
    (a, b) =>
      a.usdPerTask - b.usdPerTask ||
      (b.offer.capacityScore ?? 0) - (a.offer.capacityScore ?? 0) ||
      compareText(poolOf(a.offer), poolOf(b.offer)),
  );
  const best = candidates[0];
  return {
    choices: best
      ? candidates.map((each) => ({ ...each, reason: each === best ? whyFirst(each, candidates) : whyNot(each, best) }))
      : [],
    refused,
  };
}

type Fitted = Omit<Choice, 'reason' | 'usdPerTask'>;

/** The offer as the fleet would launch it, or the first rule that it breaks. */
function fittedTo(needs: MachineRequirements, offer: Offer, knowledge: MarketKnowledge): Fitted | { reason: string } {
  if (offer.provider !== needs.provider) return { reason: `it is of ${offer.provider}` };
  const held = slotsOn(needs, offer);
  if ('reason' in held) return held;
  if (needs.market !== 'spot-then-on-demand' && offer.market !== needs.market) {
    return { reason: `it is ${offer.market}, the fleet takes ${needs.market} only` };
  }
  const { slots } = held;
  const diskGiB = offer.diskGiB + Math.ceil(slots * needs.slot.diskGiB);
  const hourlyPriceUsd = offer.hourlyPriceUsd + (diskGiB - offer.diskGiB) * DISK_GIB_USD_PER_HOUR;
  if (hourlyPriceUsd > needs.maxHourlyPriceUsd) {
    return { reason: `${usd(hourlyPriceUsd)} an hour is above the limit of ${usd(needs.maxHourlyPriceUsd)}` };
  }
  if (knowledge.soldOut?.has(poolOf(offer))) return { reason: 'it was sold out a moment ago' };
  return { offer, slots, diskGiB, hourlyPriceUsd };
}

type MachineNeeds = Pick<MachineRequirements, 'slot' | 'architectures' | 'allowedTypes' | 'gpu'>;

/** The fleet's slots on such a machine, one at least, or the first rule that the machine itself breaks. */
export function slotsOn(needs: MachineNeeds, machine: MachineShape): { slots: number } | { reason: string } {
  if (!isAllowed(needs.allowedTypes, machine.instanceType)) return { reason: 'it is not among the allowed types' };
  if (!needs.architectures.includes(machine.architecture)) {
    return { reason: `its architecture is ${machine.architecture}, not ${needs.architectures.join(' or ')}` };
  }
  const gpuFault = faultOfGpu(needs.gpu, machine.gpus);
  if (gpuFault) return { reason: gpuFault };
  const slots = slotsThatFit(needs, machine);
  return slots < 1 ? { reason: `${faultOfSize(needs.slot, machine)} for one slot` } : { slots };
}

function slotsThatFit({ slot, gpu }: MachineNeeds, { vcpus, memoryMiB, gpus }: MachineShape): number {
  const byGpu = gpu ? Math.floor((gpus?.count ?? 0) / gpu.count) : Number.POSITIVE_INFINITY;
  return Math.min(Math.floor(vcpus / slot.vcpu), Math.floor(usableMemoryMiB(memoryMiB) / slot.memoryMiB), byGpu);
}

const faultOfSize = (slot: Fleet['slot'], { vcpus, memoryMiB }: MachineShape): string =>
  vcpus < slot.vcpu
    ? `${counted(vcpus, 'vCPU is', 'vCPU are')} too few`
    : `${usableMemoryMiB(memoryMiB)} MiB of free memory are too few`;

function faultOfGpu(needs: Fleet['gpu'], has: Offer['gpus']): string | undefined {
  // A GPU that nobody uses is never the cheapest way to run a task, and its machines are what others wait for.
  if (!needs) return has ? 'it has GPUs, which nobody asked for' : undefined;
  if (!has || has.count < needs.count) return `it has ${counted(has?.count ?? 0, 'GPU')}, a slot needs ${needs.count}`;
  const { models } = needs;
  if (models.length > 0 && !models.includes(has.model)) return `its GPU is ${has.model}, not ${models.join(' or ')}`;
  return undefined;
}

/** `c7g.*` allows a family; an empty list allows everything. */
const isAllowed = (allowed: readonly string[], instanceType: string): boolean =>
  allowed.length === 0 ||
  allowed.some((each) => (each.endsWith('*') ? instanceType.startsWith(each.slice(0, -1)) : each === instanceType));

function usdPerTask({ offer, slots, hourlyPriceUsd }: Fitted, workload: Workload): number {
  const { slotsWanted, secondsPerTask, workSeconds, bootSeconds, idleSeconds } = workload;
  const machines = Math.max(1, Math.ceil(slotsWanted / slots));
  const filled = Math.min(slots, Math.max(1, slotsWanted) / machines);
  const perHour = offer.interruptionsPerHour ?? (offer.market === 'spot' ? UNKNOWN_INTERRUPTIONS_PER_HOUR : 0);
  const lost = Math.min(MOST_LOST_SHARE, (perHour / 3_600) * (secondsPerTask / 2 + bootSeconds));
  const tasks = (filled * workSeconds * (1 - lost)) / secondsPerTask;
  const stragglerSeconds = secondsPerTask * (1 - 1 / slots);
  return ((hourlyPriceUsd / 3_600) * (bootSeconds + workSeconds + stragglerSeconds + idleSeconds)) / tasks;
}

const named = ({ instanceType, zone, region, market }: Offer): string =>
  `${instanceType} (${market}, ${zone ?? region})`;

const whyFirst = ({ offer, slots, hourlyPriceUsd, usdPerTask: cost }: Fitted & { usdPerTask: number }, all: object[]) =>
  `${named(offer)} finishes a task for ${usd(cost)}: ${usd(hourlyPriceUsd)} an hour for ` +
  `${counted(slots, 'slot')}, the least of ${all.length} that fit`;

function whyNot(each: Fitted & { usdPerTask: number }, best: Fitted & { usdPerTask: number }): string {
  const more = each.usdPerTask / best.usdPerTask - 1;
  if (more < 0.000_5) return `as much a task as ${named(best.offer)}`;
  const percent = more < 0.1 ? (more * 100).toFixed(1) : String(Math.round(more * 100));
  return `${percent} % more a task than ${named(best.offer)}`;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
