/**
 * Serverless plugin: makes CloudFormation resources of `fleets.yml`, as the variables `${fleets:queues}` and `${fleets:alarms}`.
 * A `fleets.yml` that the functions would refuse at run time is refused here, before anything is deployed.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { fleetsFileSchema } from '../core/fleet.ts';
import type { CloudFormationResources } from '../resources/cloudformation.ts';
import { fleetAlarmResources } from '../resources/fleet-alarms.ts';
import { taskQueueResources } from '../resources/task-queues.ts';

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

async function resolve(request: VariableRequest): Promise<{ value: { Resources: CloudFormationResources } }> {
  const fleets = await readFleetNames(`${request.serviceDir}/fleets.yml`);
  const stage = z.string().parse(await request.resolveConfigurationProperty(['provider', 'stage']));
  switch (request.address) {
    case 'queues':
      return { value: { Resources: taskQueueResources(fleets, stage) } };
    case 'alarms': {
      const limits = limitsSchema.parse(await request.resolveConfigurationProperty(['custom', 'fleetAlarms']));
      return { value: { Resources: fleetAlarmResources(fleets, stage, limits) } };
    }
    default:
      throw new Error(`\${fleets:${request.address}} is unknown: there are \${fleets:queues} and \${fleets:alarms}`);
  }
}

async function readFleetNames(path: string): Promise<string[]> {
  const file = fleetsFileSchema.safeParse(parse(await readFile(path, 'utf8')));
  if (!file.success) throw new Error(`fleets.yml is not valid\n${z.prettifyError(file.error)}`);
  return Object.keys(file.data.fleets);
}

export default class FleetsPlugin {
  readonly configurationVariablesSources = { fleets: { resolve } };
}
