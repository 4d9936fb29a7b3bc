/** What became of a fleet that could not be scaled: whether it was its cloud that did not answer, or something of ours. */
import type { Fleet } from '../../core/fleet.ts';
import { troubleAfter } from '../../core/fleet-trouble.ts';
import type { FleetJob } from './fleet-job.ts';
import { depthOf } from './queue-depth.ts';
import type { ScalePorts } from './scale-ports.ts';

/** Its queues and its provider are asked once more; where the tick has asked them, its answer counts. */
export async function noteOutage(fleet: Fleet, jobs: readonly FleetJob[], ports: ScalePorts): Promise<void> {
  const reason = (await whyQueues(fleet, jobs, ports)) ?? (await whyProvider(fleet, ports));
  if (reason === null) return;
  const { state } = await ports.fleets.read(fleet.name);
  const now = ports.clock.now();
  const { version, ...known } = state;
  const trouble = troubleAfter(known.trouble ?? null, { kind: 'cloud', reason }, now);
  // Whoever wrote in between has seen it too, or better.
  await ports.fleets.writeState(fleet.name, { ...known, trouble }, version);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const whyQueues = (fleet: Fleet, jobs: readonly FleetJob[], { queues }: ScalePorts): Promise<string | null> =>
  depthOf(fleet, jobs, queues).then(
    () => null,
    (error: unknown) => `its queues do not answer: ${messageOf(error)}`,
  );

async function whyProvider(fleet: Fleet, { providerOf, observe }: ScalePorts): Promise<string | null> {
  const provider = providerOf(fleet);
  if (!provider) return null;
  return observe(provider).then(
    () => null,
    (error: unknown) => `${provider.name} does not answer: ${messageOf(error)}`,
  );
}
