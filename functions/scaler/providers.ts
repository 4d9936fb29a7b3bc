/** Which provider launches a fleet's machines. In the local run every fleet is made of processes. */
import { LocalInstanceProvider } from '../../adapters/local/local-instance-provider.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { InstanceProvider } from '../../core/ports.ts';

export interface ProviderOptions {
  readonly localInstancesDir: string | undefined;
  readonly localBootstrap: string | undefined;
  /** What every local machine gets beside its launch request: where the emulated services are. */
  readonly localEnvironment: Readonly<Record<string, string>>;
}

/** `undefined` for a provider that this version cannot launch with: the plan then says so. */
export function providersFor(options: ProviderOptions): (fleet: Fleet) => InstanceProvider | undefined {
  const { localInstancesDir, localBootstrap, localEnvironment } = options;
  if (!localInstancesDir || !localBootstrap) return () => undefined;
  const local = new LocalInstanceProvider({
    stateDir: localInstancesDir,
    bootstrapPath: localBootstrap,
    baseEnvironment: localEnvironment,
  });
  return () => local;
}
