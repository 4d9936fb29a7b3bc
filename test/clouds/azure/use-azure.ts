/** The emulated Azure for one test file: started before its tests, stopped after them. */
import { afterAll, beforeAll } from 'vitest';
import type { AzureFaults } from './azure-faults.ts';
import { type BlobsOptions, type RunningBlobs, startBlobs } from './blobs/start-blobs.ts';
import { type RunningServiceBus, type ServiceBusOptions, startServiceBus } from './service-bus/start-service-bus.ts';

/** @param troubles switches its faults on; each must have struck by the end, or the file has proved nothing */
export const useServiceBus = (
  options: ServiceBusOptions = {},
  troubles?: (faults: AzureFaults) => void,
): (() => RunningServiceBus) => useService(() => startServiceBus(options), troubles);

export const useBlobs = (options: BlobsOptions = {}, troubles?: (faults: AzureFaults) => void): (() => RunningBlobs) =>
  useService(() => startBlobs(options), troubles);

interface Service {
  readonly faults: AzureFaults;
  stop(): Promise<void>;
}

function useService<Running extends Service>(
  start: () => Promise<Running>,
  troubles: (faults: AzureFaults) => void = () => undefined,
): () => Running {
  let running: Running | undefined;
  beforeAll(async () => {
    running = await start();
    troubles(running.faults);
  });
  afterAll(async () => {
    const struck = running?.faults.struck ?? [];
    await running?.stop();
    if (struck.includes(0)) throw new Error(`faults that never struck: ${struck}`);
  });
  return () => {
    if (!running) throw new Error('the service is not up yet');
    return running;
  };
}
