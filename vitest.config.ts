import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Five lanes: unit tests beside their source, the seeded simulator, contract suites, integration (real emulators) and e2e (the whole pipeline). */
const lane = (
  name: string,
  include: string[],
  testTimeout: number,
  more: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration => ({
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: Math.max(60_000, testTimeout),
    exclude: ['**/node_modules/**', '.shoal/**'],
    ...more,
  },
});

/**
 * Loading what nearly every file imports (the SDK, Powertools) takes longer than most files' tests: the files of a lane share
 * a few processes, and what one has loaded. The logger is made once, too: writing to the console, where tests can look.
 */
const SHARED = { isolate: false, env: { POWERTOOLS_DEV: 'true', POWERTOOLS_METRICS_NAMESPACE: 'Shoal' } };

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
        SHARED,
      ),
      lane('simulation', ['test/simulation/*.test.ts'], 60_000),
      lane('contracts', ['test/contracts/**/*.test.ts'], 30_000, SHARED),
      lane('integration', ['test/integration/**/*.test.ts'], 60_000, SHARED),
      lane('e2e', ['test/e2e/**/*.test.ts'], 120_000),
    ],
  },
});
