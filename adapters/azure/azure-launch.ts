/** Making an intent's machines, each by itself: of the best size there is, and if that is refused, of the next. */
import { z } from 'zod';
import type { Choice } from '../../core/choose-instances.ts';
import { TransientError } from '../../core/errors.ts';
import type { LaunchError } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import { type ArmAnswer, type ArmClient, type ArmFault, faultIn } from './arm-client.ts';
import { classifyLaunchError, isOfAllSizes, launchAdvice } from './azure-launch-errors.ts';
import { COMPUTE_VERSION, machinePath } from './azure-machine-request.ts';

const sizeSchema = z.object({ properties: z.object({ hardwareProfile: z.object({ vmSize: z.string() }) }) });

/** A size that far down the list is never the one that is had. */
const MAX_SIZES = 6;

export interface Refusal {
  readonly fault: ArmFault;
  readonly pool: string;
}

export type MachineLaunch =
  /** It is being made, or is there already: then nobody says how that ends. */
  | { readonly kind: 'accepted'; readonly name: string; readonly choice: Choice; readonly answer: ArmAnswer | null }
  /** Of every size that was asked for. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown'; readonly cause: TransientError };

/** What all machines of one launch know of each other. */
export class LaunchTry {
  readonly #choices: readonly Choice[];
  readonly #refusals: Refusal[] = [];
  readonly #closed = new Set<string>();
  #over = false;

  /** @param choices all of one market */
  constructor(choices: readonly Choice[]) {
    this.#choices = choices.slice(0, MAX_SIZES);
  }

  get refusals(): readonly Refusal[] {
    return this.#refusals;
  }

  /** What is still worth asking for. */
  next(): Choice | undefined {
    return this.#over ? undefined : this.#choices.find(({ offer }) => !this.#closed.has(poolOf(offer)));
  }

  ofSize(size: string | undefined): Choice | undefined {
    return this.#choices.find(({ offer }) => offer.instanceType === size);
  }

  refuse({ offer }: Choice, fault: ArmFault): void {
    const kind = classifyLaunchError(fault);
    const pool = poolOf(offer);
    this.#refusals.push({ fault, pool });
    this.#closed.add(pool);
    const perSize = kind === 'out-of-capacity' || (kind === 'quota' && !isOfAllSizes(fault));
    if (!perSize) this.#over = true;
  }
}

export async function launchMachine(
  arm: ArmClient,
  name: string,
  tried: LaunchTry,
  bodyOf: (choice: Choice) => unknown,
): Promise<MachineLaunch> {
  const url = arm.inGroup(machinePath(name), { 'api-version': COMPUTE_VERSION });
  for (let choice = tried.next(); choice; choice = tried.next()) {
    let answer: ArmAnswer;
    try {
      // A machine of that name is of this very intent: it is never made again or changed.
      const headers = { 'if-none-match': '*' };
      answer = await arm.ask(url, { method: 'PUT', headers, body: bodyOf(choice) });
    } catch (cause) {
      if (!(cause instanceof TransientError)) throw cause;
      return { kind: 'unknown', cause };
    }
    if (answer.status === 412)
      return { kind: 'accepted', name, choice: await madeAs(arm, url, choice, tried), answer: null };
    if (answer.status < 300) return { kind: 'accepted', name, choice, answer };
    tried.refuse(choice, faultIn(answer));
  }
  return { kind: 'refused' };
}

/** What the machine that is there was made as; if that cannot be told, what it would have been made as now. */
async function madeAs(arm: ArmClient, url: string, otherwise: Choice, tried: LaunchTry): Promise<Choice> {
  const answer = await arm.ask(url, { method: 'GET' }).catch(() => undefined);
  const size = sizeSchema.safeParse(answer?.body).data?.properties.hardwareProfile.vmSize;
  return tried.ofSize(size) ?? otherwise;
}

/** One error for each code, with every pool that it was said of. */
export function launchErrors(refusals: readonly Refusal[]): LaunchError[] {
  const byCode = Map.groupBy(refusals, ({ fault }) => fault.code);
  return [...byCode.values()].flatMap((group) => {
    const [first] = group;
    return first ? [launchError(first.fault, [...new Set(group.map(({ pool }) => pool))])] : [];
  });
}

export function launchError(fault: ArmFault, pools: readonly string[]): LaunchError {
  const kind = classifyLaunchError(fault);
  const message = [`${fault.code}: ${fault.message}`, launchAdvice(fault)].filter(Boolean).join(' — ');
  return { code: fault.code, kind, message, retryable: kind !== 'configuration', pools };
}
