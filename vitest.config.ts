import { defineConfig } from 'vitest/config';

/** Five lanes: unit tests beside their source, the seeded simulator, contract suites, integration (real emulators) and e2e (the whole pipeline). */
const lane = (name: string, include: string[], testTimeout: number) => ({
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: Math.max(60_000, testTimeout),
    exclude: ['**/node_modules/**', '.shoal/**'],
  },
});

export default defineConfig({
  test: {
    // The long tests mostly wait, for machines and leases: more workers than the two cores that CI has.
    maxWorkers: 4,
    projects: [
      lane(
        'unit',
        [
          '{core,adapters,functions,worker-bootstrap,local,cli,statemachine,plugins,resources,gcp,azure}/**/*.test.ts',
          'test/*.test.ts',
          'test/bench/*.test.ts',
          'test/chaos/*.test.ts',
          'test/fleet-simulation/*.test.ts',
        ],
        20_000,
      ),
      lane('simulation', ['test/simulation/*.test.ts'], 60_000),
      lane('contracts', ['test/contracts/**/*.test.ts'], 30_000),
      lane('integration', ['test/integration/**/*.test.ts'], 60_000),
      lane('e2e', ['test/e2e/**/*.test.ts'], 120_000),
    ],
  },
});
