/**
 * The routes of an HTTP API and which one a request takes: a full match first, then a greedy path variable, then
 * `$default` (API Gateway Developer Guide, "Routing API requests"). A literal segment beats a variable, a method beats ANY.
 */

/** One route of the template. */
export interface Route {
  /** `GET /v1/jobs/{jobId}` or `$default`. */
  readonly key: string;
  readonly functionArn: string;
  readonly timeoutMs: number;
}

export interface RouteMatch {
  readonly route: Route;
  readonly pathParameters: Readonly<Record<string, string>>;
}

export type MatchRoute = (method: string, path: string) => RouteMatch | undefined;

interface Pattern {
  readonly route: Route;
  readonly method: string;
  readonly regex: RegExp;
  readonly names: readonly string[];
  /** Compared in order; the smaller wins. */
  readonly rank: string;
}

/** Prepares routes for matching. A request's path comes decoded. */
export function routeMatcher(routes: readonly Route[]): MatchRoute {
  const fallback = routes.find((route) => route.key === '$default');
  const patterns = routes
    .filter((route) => route.key !== '$default')
    .map(patternOf)
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return (method, path) => {
    for (const pattern of patterns) {
      if (pattern.method !== method && pattern.method !== 'ANY') continue;
      const match = pattern.regex.exec(path);
      if (!match) continue;
      const pathParameters = Object.fromEntries(pattern.names.map((name, index) => [name, match[index + 1] ?? '']));
      return { route: pattern.route, pathParameters };
    }
    return fallback && { route: fallback, pathParameters: {} };
  };
}

function patternOf(route: Route): Pattern {
  const [method = '', path = ''] = route.key.split(' ');
  const segments = path.split('/').slice(1);
  const names: string[] = [];
  const sources = segments.map((segment) => {
    const variable = /^\{([^}+]+)(\+?)\}$/.exec(segment);
    if (!variable) return segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    names.push(variable[1] ?? '');
    return variable[2] ? '(.+)' : '([^/]+)';
  });
  const kinds = segments
    .map((segment) => (segment.endsWith('+}') ? '2' : segment.startsWith('{') ? '1' : '0'))
    .join('');
  const rank = `${kinds.includes('2') ? 1 : 0}${kinds} ${method === 'ANY' ? 1 : 0}`;
  return { route, method, regex: new RegExp(`^/${sources.join('/')}$`), names, rank };
}
