import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { methodsOf } from './methods-of-paths.ts';

/** Every route of the stack, as `serverless.yml` declares it. */
const routes = [...readFileSync('serverless.yml', 'utf8').matchAll(/httpApi: ([A-Z]+) (\/\S+)/g)].map(
  ([, method = '', path = '']) => ({ method, path: path.replace(/\{(\w+)\}/g, 'some-$1') }),
);

describe('the methods that a path takes', () => {
  it('are those of the routes that are deployed, no more and no fewer', () => {
    const deployed = Map.groupBy(routes, ({ path }) => path);

    expect(deployed.size).toBeGreaterThan(10);
    for (const [path, ofPath] of deployed) {
      expect([path, ...methodsOf(path)]).toEqual([path, ...ofPath.map(({ method }) => method).sort()]);
    }
  });

  it.each(['/v1', '/v1/nothing', '/v1/jobs/', '/v1/jobs//tasks', '/v1/jobs/a/b', '/health/x', '/__proto__', ''])(
    'are none of %s',
    (path) => {
      expect(methodsOf(path)).toEqual([]);
    },
  );
});
