import { describe, expect, it } from 'vitest';
import { routeMatcher } from './routes.ts';

const keys = [
  'GET /v1/jobs',
  'GET /v1/jobs/{jobId}',
  'GET /v1/jobs/latest',
  'ANY /v1/jobs/{jobId}',
  'GET /v1/jobs/{jobId}/tasks',
  'GET /v1/files/{path+}',
  'GET /a.b',
];
const routes = keys.map((key) => ({ key, functionArn: 'arn', timeoutMs: 1 }));

describe('a request', () => {
  it.each([
    ['GET', '/v1/jobs', 'GET /v1/jobs', {}],
    ['GET', '/v1/jobs/j1', 'GET /v1/jobs/{jobId}', { jobId: 'j1' }],
    ['GET', '/v1/jobs/latest', 'GET /v1/jobs/latest', {}],
    ['DELETE', '/v1/jobs/j1', 'ANY /v1/jobs/{jobId}', { jobId: 'j1' }],
    ['GET', '/v1/jobs/j1/tasks', 'GET /v1/jobs/{jobId}/tasks', { jobId: 'j1' }],
    ['GET', '/v1/files/a/b', 'GET /v1/files/{path+}', { path: 'a/b' }],
  ])('takes its route: %s %s', (method, path, key, pathParameters) => {
    const match = routeMatcher(routes)(method, path);
    expect(match?.route.key).toBe(key);
    expect(match?.pathParameters).toEqual(pathParameters);
  });

  it.each([
    ['POST', '/v1/jobs'],
    ['GET', '/v1/jobs/'],
    ['GET', '/v1/jobs/j1/tasks/t1'],
    ['GET', '/aXb'],
    ['GET', '/'],
  ])('takes no route, or $default: %s %s', (method, path) => {
    expect(routeMatcher(routes)(method, path)).toBeUndefined();
    const fallback = { key: '$default', functionArn: 'arn', timeoutMs: 1 };
    expect(routeMatcher([...routes, fallback])(method, path)).toEqual({ route: fallback, pathParameters: {} });
  });
});
