/**
 * Machines on Azure: single virtual machines, named by their intent, each of which is deleted as a whole (docs/adr/0020). What
 * is refused at once is asked for in the next size; what fails later is removed, and wanted again at the next tick.
 */
import type { Choice } from '../../core/choose-instances.ts';
import type { AzureCloud } from '../../core/clouds.ts';
import { PermanentError, ShoalError, TransientError } from '../../core/errors.ts';
import type { LaunchedInstance, LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import type { BlobStore, InstanceProvider } from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { inParallel } from '../in-parallel.ts';
import { ArmClient, refused } from './arm-client.ts';
import { followOperation } from './arm-operation.ts';
import { listInstances } from './azure-instance-list.ts';
import { LaunchTry, launchError, launchErrors, launchMachine, type MachineLaunch } from './azure-launch.ts';
import { keepLaunch, readLaunch } from './azure-launch-record.ts';
import {
  DELETE_QUERY,
  MACHINE_NAME,
  machineBody,
  machineName,
  machinePath,
  publicKeyOfNobody,
} from './azure-machine-request.ts';

export interface AzureInstanceProviderOptions {
  readonly cloud: AzureCloud;
  readonly stage: string;
  /** For `https://management.azure.com`; `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
  /** What a machine runs at its first boot: worker-bootstrap/user-data.ts. Who launches nothing needs none. */
  readonly startupScript?: (environment: Readonly<Record<string, string>>) => string;
  /** Remembers what came of an intent. */
  readonly launches?: Pick<BlobStore, 'get' | 'put'>;
  /** How long a launch waits for what ARM finds out only after it has accepted a machine. */
  readonly launchWaitSeconds?: number;
  readonly now?: () => Date;
}

/** ARM takes a subscription's writes at so many a second; the rest is wanted again at the next tick. */
const MOST_AT_ONCE = 100;
const LAUNCHES_AT_ONCE = 16;
const DELETES_AT_ONCE = 16;
/** A scaler has 55 seconds for all fleets. */
const LAUNCH_WAIT_SECONDS = 15;

export class AzureInstanceProvider implements InstanceProvider {
  readonly name = 'azure';
  readonly #options: AzureInstanceProviderOptions & { readonly now: () => Date };
  readonly #arm: ArmClient;

  constructor(options: AzureInstanceProviderOptions) {
    this.#options = { now: () => new Date(), ...options };
    this.#arm = new ArmClient(options);
  }

  async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const { launches, startupScript, now } = this.#options;
    const choices = oneMarket(request.choices ?? []);
    if (choices.length === 0 || !startupScript) return nothingToRent(request);
    const noIdentity = await this.#checkIdentity();
    if (noIdentity) return noIdentity;
    const before = launches && (await readLaunch(launches, request.intentId));
    if (before) return before;
    const launchedAt = now().toISOString();
    const tried = new LaunchTry(choices);
    const machines = await this.#makeAll(request, tried, startupScript);
    const made = await this.#settle(machines, tried);
    const unknown = machines.find((each) => each.kind === 'unknown');
    // What was made is found by its intent.
    if (unknown) throw new TransientError('ARM did not say whether it makes a machine', { cause: unknown.cause });
    const launched = made.map(({ name, choice }) => launchedInstance(name, choice, launchedAt));
    const outcome = { launched, errors: launched.length < request.count ? errorsOf(tried, request.count) : [] };
    if (launches) await keepLaunch(launches, request.intentId, outcome);
    return outcome;
  }

  list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    return listInstances(this.#arm, this.#options.stage, fleets);
  }

  /** Every one is tried, whatever becomes of the others. */
  async terminate(instanceIds: readonly string[]): Promise<void> {
    const names = [...new Set(instanceIds)].filter((id) => MACHINE_NAME.test(id));
    const failed: unknown[] = [];
    await inParallel(names, DELETES_AT_ONCE, async (name) => {
      await this.#delete(name).catch((error: unknown) => failed.push(error));
    });
    if (failed.length > 0) throw failed[0];
  }

  /** Without a token nothing is asked, and nothing launched: that is an answer. */
  async #checkIdentity(): Promise<LaunchOutcome | undefined> {
    try {
      await this.#options.token?.();
      return undefined;
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      const code = error instanceof PermanentError ? 'InvalidIdentity' : 'NoToken';
      return { launched: [], errors: [launchError({ code, message: error.message }, [])] };
    }
  }

  async #makeAll(
    request: LaunchRequest,
    tried: LaunchTry,
    startupScript: NonNullable<AzureInstanceProviderOptions['startupScript']>,
  ): Promise<readonly MachineLaunch[]> {
    const { cloud, stage } = this.#options;
    const publicKey = publicKeyOfNobody();
    const names = Array.from({ length: Math.min(request.count, MOST_AT_ONCE) }, (_, n) =>
      machineName(stage, request, n),
    );
    return inParallel(names, LAUNCHES_AT_ONCE, async (name) => {
      const environment = { ...request.environment, ...this.#identityOf(name) };
      const options = { cloud, stage, name, startupScript: startupScript(environment), publicKey };
      return launchMachine(this.#arm, name, tried, (choice) => machineBody(request, choice, options));
    });
  }

  /** Which machine it is, and where it has itself deleted. */
  #identityOf(name: string): Readonly<Record<string, string>> {
    return { SHOAL_INSTANCE_ID: name, SHOAL_MACHINE_URL: this.#arm.inGroup(machinePath(name), DELETE_QUERY) };
  }

  /** @returns those that are there, or on their way; what failed is removed, for it would cost on */
  async #settle(machines: readonly MachineLaunch[], tried: LaunchTry) {
    const { launchWaitSeconds: waitSeconds = LAUNCH_WAIT_SECONDS } = this.#options;
    const accepted = machines.filter((each) => each.kind === 'accepted');
    const settled = await Promise.all(
      accepted.map(async (machine) => {
        if (!machine.answer) return [machine];
        const end = await followOperation(this.#arm, machine.answer, waitSeconds);
        if (end.kind !== 'failed') return [machine];
        tried.refuse(machine.choice, end.fault);
        // One that cannot be removed now is listed as stopped, and removed then.
        await this.#delete(machine.name).catch(() => undefined);
        return [];
      }),
    );
    return settled.flat();
  }

  async #delete(name: string): Promise<void> {
    const answer = await this.#arm.ask(this.#arm.inGroup(machinePath(name), DELETE_QUERY), { method: 'DELETE' });
    // 204: there is none, as 404 says elsewhere.
    if (answer.status < 300 || answer.status === 404) return;
    throw refused(`the end of ${name}`, answer);
  }
}

/** Of the best one's market. */
const oneMarket = (choices: readonly Choice[]): readonly Choice[] =>
  choices.filter(({ offer }) => offer.market === choices[0]?.offer.market);

const launchedInstance = (name: string, choice: Choice, launchedAt: string): LaunchedInstance => ({
  instanceId: name,
  instanceType: choice.offer.instanceType,
  hourlyPriceUsd: choice.hourlyPriceUsd,
  launchedAt,
  slots: choice.slots,
});

function errorsOf({ refusals }: LaunchTry, wanted: number): LaunchOutcome['errors'] {
  if (refusals.length > 0) return launchErrors(refusals);
  const message = `${wanted} were asked for, and ${MOST_AT_ONCE} are made at a time`;
  return [{ code: 'MostAtOnce', kind: 'throttled', message, retryable: true, pools: [] }];
}

const nothingToRent = ({ fleet }: LaunchRequest): LaunchOutcome => ({
  launched: [],
  errors: [
    {
      code: 'NothingToRent',
      kind: 'configuration',
      message: `no machine size fits the fleet ${fleet}`,
      retryable: true,
      pools: [],
    },
  ],
});
