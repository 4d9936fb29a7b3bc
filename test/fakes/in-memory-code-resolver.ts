import { TransientError } from '../../core/errors.ts';
import type { CodeResolver, ResolvedCode } from '../../core/ports.ts';

const FULL_SHA = /^[0-9a-f]{40}$/;

/** Knows repositories as a map of refs to commits, and credentials by their names. */
export class InMemoryCodeResolver implements CodeResolver {
  /** While true, no host can be reached. */
  unreachable = false;
  readonly #repositories: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly #credentials: ReadonlySet<string>;

  constructor(
    repositories: Readonly<Record<string, Readonly<Record<string, string>>>>,
    credentials: readonly string[] = [],
  ) {
    this.#repositories = new Map(Object.entries(repositories));
    this.#credentials = new Set(credentials);
  }

  async resolve({ repository, ref, credential = null }: Parameters<CodeResolver['resolve']>[0]): Promise<ResolvedCode> {
    if (this.unreachable) throw new TransientError('the host cannot be reached', { context: { repository } });
    if (credential !== null && !this.#credentials.has(credential)) {
      return { kind: 'credential-unusable', message: `there is no credential ${credential}` };
    }
    const refs = this.#repositories.get(repository);
    if (!refs) return { kind: 'repository-not-found', message: `there is no repository ${repository}` };
    const commits = new Set(Object.values(refs));
    const named = Object.hasOwn(refs, ref) ? refs[ref] : undefined;
    const commit = FULL_SHA.test(ref) && commits.has(ref) ? ref : named;
    return commit
      ? { kind: 'resolved', commit }
      : { kind: 'ref-not-found', message: `${repository} has no ref ${ref}` };
  }
}
