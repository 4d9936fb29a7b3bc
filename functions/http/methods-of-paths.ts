/** Which methods a path takes, whichever function answers them: API Gateway says only that no route matched. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  '/v1/jobs': ['GET', 'POST'],
  '/v1/jobs/{jobId}': ['DELETE', 'GET', 'PATCH'],
  '/v1/jobs/{jobId}/tasks': ['GET'],
  '/v1/jobs/{jobId}/results': ['GET'],
  '/v1/jobs/{jobId}/failures': ['GET'],
  '/v1/jobs/{jobId}/audit': ['GET'],
  '/v1/jobs/{jobId}/retry': ['POST'],
  '/v1/tasks/{taskId}': ['DELETE', 'GET'],
  '/v1/tasks/{taskId}/logs': ['GET'],
  '/v1/fleets': ['GET'],
  '/v1/fleets/{fleet}': ['GET'],
  '/v1/instances': ['GET'],
  '/v1/estimates': ['POST'],
  '/v1/prices': ['GET'],
  '/health': ['GET'],
};

const PATTERNS = Object.entries(METHODS).map(([path, methods]) => ({
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  methods,
}));

/** None for a path that is not ours. */
export const methodsOf = (path: string): readonly string[] =>
  PATTERNS.find(({ pattern }) => pattern.test(path))?.methods ?? [];
