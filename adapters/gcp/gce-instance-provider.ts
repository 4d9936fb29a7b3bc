/**
 * Machines on Compute Engine. A launch is one bulk insert over every type that may be rented, in any zone of the region;
 * what a machine boots with is its startup script. It holds itself to its lifetime, Compute Engine holds it to that too.
 *
 * A guest that switches itself off only stops its machine, whose disk costs on: whoever lists machines next ends it (the
 * scaler, and gcp/'s own reaper every few minutes). Machines may delete none, not even themselves.
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { TransientError } from '../../core/errors.ts';
import type { LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { inParallel } from '../in-parallel.ts';
import { bulkRequest, LABELS, usableChoices } from './gce-bulk-request.ts';
import { type GceInstanceName, parseInstanceId, requestIdOf } from './gce-instance-id.ts';
import { listInstances, listLabelled } from './gce-instance-list.ts';
import { classifyLaunchError, launchError } from './gce-launch-errors.ts';
import { bulkOutcome } from './gce-launch-result.ts';
import { awaitOperation, listOperations, type Operation, operationSchema } from './gce-operations.ts';
import { computeUrl } from './gce-url.ts';
import { GoogleRest } from './google-rest.ts';

export interface GceInstanceProviderOptions {
  readonly cloud: GcpCloud;
  readonly stage: string;
  /** `null`: an emulator on this machine. */
  readonly token: AccessToken | null;
  /** What a machine runs at its first boot: worker-bootstrap/user-data.ts. Who launches nothing needs none. */
  readonly startupScript?: (environment: Readonly<Record<string, string>>) => string;
  /** So long a launch is waited for; what comes later is found by its intent. */
  readonly launchWaitSeconds?: number;
  /** How often a question is asked before there is no answer. */
  readonly tries?: number;
  readonly now?: () => Date;
}

const CONSOLE_TAIL_CHARACTERS = 2_000;
const DELETIONS_AT_ONCE = 10;
/** A scaler has 55 seconds for all fleets. */
const LAUNCH_WAIT_SECONDS = 30;

export class GceInstanceProvider implements InstanceProvider {
  readonly name = 'gcp';
  readonly #options: GceInstanceProviderOptions & { readonly now: () => Date };
  readonly #rest: GoogleRest;

  constructor(options: GceInstanceProviderOptions) {
    this.#options = { now: () => new Date(), ...options };
    const { token, tries } = options;
    this.#rest = new GoogleRest({ token, ...(tries === undefined ? {} : { tries }) });
  }

  async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const { cloud, stage, startupScript, now, launchWaitSeconds = LAUNCH_WAIT_SECONDS } = this.#options;
    const choices = usableChoices(request.choices ?? []);
    if (choices.length === 0 || !startupScript) return nothingToRent(request);
    const requestedAt = now();
    const body = bulkRequest(request, choices, {
      stage,
      cloud,
      startupScript: startupScript(request.environment),
      now: requestedAt,
    });
    const started = await this.#insert(request, body);
    if ('errors' in started) return started;
    const ended = await awaitOperation(this.#rest, cloud, started, launchWaitSeconds * 1_000);
    const listed = await listLabelled({ rest: this.#rest, cloud, stage }, LABELS.intent, [request.intentId]);
    const group = listed.length < request.count ? await this.#groupOf(ended) : [];
    return bulkOutcome(ended, listed, group, {
      count: request.count,
      choices,
      launchedAt: requestedAt.toISOString(),
    });
  }

  list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    const { cloud, stage, now } = this.#options;
    return listInstances({ rest: this.#rest, cloud, stage, now }, fleets);
  }

  async terminate(instanceIds: readonly string[]): Promise<void> {
    const ours = [...new Set(instanceIds)].flatMap((id) => parseInstanceId(id, this.#options.stage) ?? []);
    await inParallel(ours, DELETIONS_AT_ONCE, (instance) => this.#delete(instance));
  }

  async consoleTail(instanceId: string): Promise<string | null> {
    const instance = parseInstanceId(instanceId, this.#options.stage);
    if (!instance) return null;
    const answer = await this.#rest.ask({
      url: `${this.#urlOf(instance)}/serialPort`,
      query: { port: '1' },
      answer: z.object({ contents: z.string().default('') }),
    });
    // A machine that is deleted takes its console with it.
    if (answer.kind === 'refused') return null;
    return answer.body.contents.trimEnd().slice(-CONSOLE_TAIL_CHARACTERS) || null;
  }

  /** A refusal is an answer: nothing was launched. Of a lost answer nobody knows. */
  async #insert(request: LaunchRequest, body: unknown): Promise<Operation | LaunchOutcome> {
    const { cloud, stage } = this.#options;
    const answer = await this.#rest.ask({
      method: 'POST',
      url: computeUrl(cloud, `regions/${cloud.region}/instances/bulkInsert`),
      query: { requestId: requestIdOf(stage, request.intentId) },
      body,
      answer: operationSchema,
    });
    if (answer.kind === 'answer') return answer.body;
    const { status, reason, message } = answer.refusal;
    if (status >= 500 && classifyLaunchError(reason) === 'unknown') {
      throw new TransientError('Compute Engine did not say whether it launched anything', {
        context: { ...answer.refusal },
      });
    }
    return { launched: [], errors: [launchError(reason, message, poolsRefused(reason, request))] };
  }

  /** The operations of the single machines of a launch, wherever they were made. */
  async #groupOf({ operationGroupId }: Operation): Promise<readonly Operation[]> {
    if (!operationGroupId) return [];
    const filter = `operationGroupId = "${operationGroupId}"`;
    return listOperations(this.#rest, this.#options.cloud, { filter, pages: 4 });
  }

  async #delete(instance: GceInstanceName): Promise<void> {
    const answer = await this.#rest.ask({ method: 'DELETE', url: this.#urlOf(instance), answer: operationSchema });
    if (answer.kind === 'answer') return;
    const { status, reason, message } = answer.refusal;
    // Gone, or about to be.
    if (status === 404 || reason === 'resourceNotReady') return;
    throw new TransientError(`${instance.name} could not be deleted: ${reason}: ${message}`, {
      context: { ...answer.refusal },
    });
  }

  #urlOf({ zone, name }: GceInstanceName): string {
    return computeUrl(this.#options.cloud, `zones/${zone}/instances/${name}`);
  }
}

/** A request that is refused for want of capacity was refused for all that it named. */
const poolsRefused = (reason: string, { choices = [] }: LaunchRequest): string[] =>
  classifyLaunchError(reason) === 'out-of-capacity'
    ? [...new Set(usableChoices(choices).map(({ offer }) => poolOf(offer)))]
    : [];

const nothingToRent = ({ fleet }: LaunchRequest): LaunchOutcome => ({
  launched: [],
  errors: [
    {
      code: 'NothingToRent',
      kind: 'configuration',
      message: `no machine type fits the fleet ${fleet}`,
      retryable: true,
      pools: [],
    },
  ],
});
