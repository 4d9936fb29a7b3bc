/**
 * Serverless plugin: makes CloudFormation resources of `fleets.yml`, as the variables `${fleets:queues}`,
 * `${fleets:alarms}`, `${fleets:launchTemplates}`, `${fleets:network}`, `${fleets:subnetIds}` and `${fleets:otherClouds}`.
 * A `fleets.yml` that the functions would refuse at run time is refused here, before anything is deployed.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Clouds } from '../core/clouds.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../core/fleet.ts';
import { faultsOf } from '../core/validation.ts';
import type { CloudFormationResources } from '../resources/cloudformation.ts';
import { fleetAlarmResources } from '../resources/fleet-alarms.ts';
import { launchTemplateResources } from '../resources/launch-templates.ts';
import { type Network, networkResources, networkSchema, subnetIds } from '../resources/network.ts';
import { otherCloudResources } from '../resources/other-clouds.ts';
import { taskQueueResources } from '../resources/task-queues.ts';
import { artifactsOf } from './artifacts.ts';

/** What the framework hands to a variable source. */
interface VariableRequest {
  readonly address: string;
  readonly serviceDir: string;
  readonly resolveConfigurationProperty: (path: readonly string[]) => Promise<unknown>;
}

const limitsSchema = z.strictObject({
  oldestTaskSeconds: z.int().positive(),
  stalledMinutes: z.int().positive(),
});

async function resolve(request: VariableRequest): Promise<{ value: unknown }> {
  const { address, serviceDir, resolveConfigurationProperty: read } = request;
  const { fleets, clouds } = await readFleetsFile(`${serviceDir}/fleets.yml`);
  const names = fleets.map((fleet) => fleet.name);
  const stage = z.string().parse(await read(['provider', 'stage']));
  const resources = (Resources: CloudFormationResources) => ({ value: { Resources } });
  const network = async (): Promise<Network> => parsed(networkSchema, await read(['custom', 'network']), 'the network');
  switch (address) {
    case 'queues':
      return resources(taskQueueResources(names, stage));
    case 'alarms': {
      const limits = limitsSchema.parse(await read(['custom', 'fleetAlarms']));
      return resources(fleetAlarmResources(names, stage, limits));
    }
    case 'launchTemplates': {
      const { agent, bootstrap } = await artifactsOf(serviceDir);
      const hashes = { agent: agent.sha256, bootstrap: bootstrap.sha256 };
      return resources(launchTemplateResources(fleets, stage, hashes));
    }
    case 'network':
      return resources(networkResources(await network(), stage));
    case 'subnetIds':
      return { value: subnetIds(await network()) };
    case 'otherClouds':
      return resources(otherCloudResources(clouds, stage));
    default:
      throw new Error(`\${fleets:${address}} is unknown: there are ${ADDRESSES.join(', ')}`);
  }
}

const ADDRESSES = ['queues', 'alarms', 'launchTemplates', 'network', 'subnetIds', 'otherClouds'].map(
  (name) => `\${fleets:${name}}`,
);

async function readFleetsFile(path: string): Promise<{ fleets: Fleet[]; clouds: Clouds }> {
  const file = parsed(fleetsFileSchema, parse(await readFile(path, 'utf8')), 'fleets.yml');
  return { fleets: fleetsOf(file), clouds: file.clouds };
}

function parsed<Schema extends z.ZodType>(schema: Schema, document: unknown, name: string): z.infer<Schema> {
  const outcome = schema.safeParse(document);
  if (!outcome.success) {
    const faults = faultsOf(outcome.error).map(({ path, message }) => `  ${path}: ${message}`);
    throw new Error([`${name} is not valid`, ...faults].join('\n'));
  }
  return outcome.data;
}

export default class FleetsPlugin {
  readonly configurationVariablesSources = { fleets: { resolve } };
}
