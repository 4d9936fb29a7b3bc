/**
 * Serverless plugin: removes what the framework writes into the template and nothing needs.
 *
 * - Each `DependsOn` that a reference already implies. Template checkers report every one of them, and some deployment
 *   targets refuse a template with any report.
 * - The role that functions share, once each has its own: nobody could tell why it may do all that it may.
 */
const SHARED_ROLE = 'IamRoleLambdaExecution';

interface Template {
  readonly Resources: Record<string, Resource>;
}

interface Resource {
  DependsOn?: string | string[];
  readonly Properties?: unknown;
}

interface Serverless {
  readonly service: { readonly provider: { readonly compiledCloudFormationTemplate: Template } };
}

/** The logical ids (and pseudo parameters) that a part of a template refers to. */
export function referencesIn(part: unknown): Set<string> {
  if (Array.isArray(part)) return union(part.map(referencesIn));
  if (part === null || typeof part !== 'object') return new Set();
  return union(Object.entries(part).map(([key, value]) => referencesOf(key, value)));
}

function referencesOf(key: string, value: unknown): Set<string> {
  switch (key) {
    case 'Ref':
      return new Set([String(value)]);
    case 'Fn::GetAtt':
      // ['Logical', 'Attribute'] or 'Logical.Attribute'
      return new Set([String(Array.isArray(value) ? value[0] : value).split('.', 1)[0] ?? '']);
    case 'Fn::Sub': {
      // 'text' or ['text', {name: value}]
      const [text, variables] = Array.isArray(value) ? value : [value, {}];
      return union([namesIn(String(text)), referencesIn(variables)]);
    }
    default:
      return referencesIn(value);
  }
}

const namesIn = (text: string): Set<string> =>
  new Set(Array.from(text.matchAll(/\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}/g), ([, name]) => name ?? ''));

const union = (sets: readonly Set<string>[]): Set<string> => new Set(sets.flatMap((set) => [...set]));

/** Removes the dependencies that are implied, in place: the framework hands out no other way to change its template. */
export function dropImpliedDependencies(template: Template): void {
  for (const resource of Object.values(template.Resources)) {
    if (resource.DependsOn === undefined) continue;
    const implied = referencesIn(resource.Properties);
    const left = [resource.DependsOn].flat().filter((logicalId) => !implied.has(logicalId));
    if (left.length > 0) resource.DependsOn = left;
    else delete resource.DependsOn;
  }
}

/** Removes the shared role, in place, if nothing refers to it: a function without statements of its own still runs under it. */
export function dropUnusedSharedRole(template: Template): void {
  const { [SHARED_ROLE]: _, ...others } = template.Resources;
  const dependsOnIt = Object.values(others).some(({ DependsOn = [] }) => [DependsOn].flat().includes(SHARED_ROLE));
  if (!dependsOnIt && !referencesIn(others).has(SHARED_ROLE)) delete template.Resources[SHARED_ROLE];
}

export default class TidyPlugin {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor({ service }: Serverless) {
    this.hooks = {
      // The last moment before the template is written: other plugins have added theirs.
      'after:aws:package:finalize:mergeCustomProviderResources': () => {
        dropImpliedDependencies(service.provider.compiledCloudFormationTemplate);
        dropUnusedSharedRole(service.provider.compiledCloudFormationTemplate);
      },
    };
  }
}
