/**
 * Machines on EC2. A launch is one `CreateFleet` of type `instant` over every pool that may be rented; what a machine boots
 * with is in its fleet's launch template, which the deployment makes (resources/launch-templates.ts).
 */
import {
  CreateFleetCommand,
  type CreateFleetCommandInput,
  type CreateFleetCommandOutput,
  type EC2Client,
  EC2ServiceException,
  GetConsoleOutputCommand,
} from '@aws-sdk/client-ec2';
import { TransientError } from '../../core/errors.ts';
import type { LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import type { Architecture } from '../../core/offer.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { fleetRequest, launchTemplateName, type Subnet, usableChoices } from './ec2-fleet-request.ts';
import { fleetOutcome, launchError } from './ec2-fleet-result.ts';
import { listInstances } from './ec2-instance-list.ts';
import { classifyLaunchError } from './ec2-launch-errors.ts';
import { readSubnets } from './ec2-subnets.ts';
import { terminateInstances } from './ec2-terminate.ts';

export interface Ec2InstanceProviderOptions {
  readonly client: EC2Client;
  readonly stage: string;
  readonly subnetIds: readonly string[];
  readonly images: Readonly<Record<Architecture, string>>;
  readonly now?: () => Date;
}

const CONSOLE_TAIL_CHARACTERS = 2_000;

export class Ec2InstanceProvider implements InstanceProvider {
  readonly name = 'aws';
  readonly #options: Required<Ec2InstanceProviderOptions>;
  #subnets: Promise<readonly Subnet[]> | undefined;

  constructor(options: Ec2InstanceProviderOptions) {
    this.#options = { now: () => new Date(), ...options };
  }

  async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const { stage, images, now } = this.#options;
    const launchedAt = now().toISOString();
    const subnets = await this.#readSubnets().catch(subnetsUnknown);
    if ('errors' in subnets) return subnets;
    const choices = usableChoices(request.choices ?? [], subnets);
    if (choices.length === 0) return nothingToRent(request);
    const options = { stage, launchTemplateName: launchTemplateName(stage, request.fleet), subnets, images };
    const answer = await this.#create(fleetRequest(request, choices, options));
    if ('errors' in answer) return answer;
    return fleetOutcome(answer, { count: request.count, choices, subnets, launchedAt });
  }

  list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    return listInstances(this.#options.client, this.#options.stage, fleets);
  }

  terminate(instanceIds: readonly string[]): Promise<void> {
    return terminateInstances(this.#options.client, instanceIds);
  }

  async consoleTail(instanceId: string): Promise<string | null> {
    const { Output } = await this.#options.client.send(new GetConsoleOutputCommand({ InstanceId: instanceId }));
    if (!Output) return null;
    return Buffer.from(Output, 'base64').toString('utf8').trimEnd().slice(-CONSOLE_TAIL_CHARACTERS);
  }

  /** A refusal is an answer: nothing was launched. Of a lost answer nobody knows. */
  async #create(input: CreateFleetCommandInput): Promise<CreateFleetCommandOutput | LaunchOutcome> {
    try {
      return await this.#options.client.send(new CreateFleetCommand(input));
    } catch (error) {
      const refused =
        error instanceof EC2ServiceException &&
        (error.$fault === 'client' || classifyLaunchError(error.name) !== 'unknown');
      if (!refused) throw new TransientError('EC2 did not say whether it launched anything', { cause: error });
      return { launched: [], errors: [launchError(error.name, error.message, [])] };
    }
  }

  #readSubnets(): Promise<readonly Subnet[]> {
    this.#subnets ??= readSubnets(this.#options.client, this.#options.subnetIds).catch((error: unknown) => {
      // Asked again by the next launch.
      this.#subnets = undefined;
      throw error;
    });
    return this.#subnets;
  }
}

const subnetsUnknown = (error: unknown): LaunchOutcome => {
  const [code, message] = error instanceof Error ? [error.name, error.message] : ['Unknown', String(error)];
  return { launched: [], errors: [launchError(code, `the subnets could not be read: ${message}`, [])] };
};

const nothingToRent = ({ fleet, choices = [] }: LaunchRequest): LaunchOutcome => ({
  launched: [],
  errors: [
    {
      code: 'NothingToRent',
      kind: 'configuration',
      message:
        choices.length === 0
          ? `no instance type fits the fleet ${fleet}`
          : `none of the ${choices.length} choices for the fleet ${fleet} is in a zone of its subnets`,
      retryable: true,
      pools: [],
    },
  ],
});
