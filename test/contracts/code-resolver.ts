import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CodeResolver } from '../../core/ports.ts';
import { createGitRepository, type GitRepository } from './git-repository.ts';

export interface CodeResolverSetup {
  readonly resolver: CodeResolver;
  /** The address of a repository below the root, be it there or not. */
  addressOf(name: string): string;
  stop?(): Promise<void>;
}

/** @param setup a resolver that can see the repository */
export function describeCodeResolverContract(
  name: string,
  setup: (repository: GitRepository) => Promise<CodeResolverSetup>,
): void {
  describe(`CodeResolver: ${name}`, () => {
    let repository: GitRepository;
    let made: CodeResolverSetup;
    beforeAll(async () => {
      repository = await createGitRepository();
      made = await setup(repository);
    });
    afterAll(async () => {
      await made?.stop?.();
      await repository?.remove();
    });
    const resolve = (ref: string, repositoryName = repository.name) =>
      made.resolver.resolve({ repository: made.addressOf(repositoryName), ref });

    it.each([
      ['the default branch', 'HEAD'],
      ['a branch', 'main'],
      ['a branch by its full name', 'refs/heads/main'],
      ['a branch whose name has a slash', 'feature/a+b'],
      ['a branch whose name has an @', 'me@home'],
      ['a tag', 'v1'],
      ['an annotated tag, to the commit it stands for', 'v1-annotated'],
      ['a tag of a tag, to the commit at its end', 'nested'],
      ['a branch whose name begins like a tag’s', 'v1.0'],
      ['a tag rather than a branch of the same name', 'both'],
    ])('pins %s', async (_what, ref) => {
      expect(await resolve(ref)).toEqual({ kind: 'resolved', commit: repository.refs[ref] });
    });

    it('takes the full SHA of a commit that is there, at a tip or not', async () => {
      const commits = [repository.refs['main'] ?? '', repository.refs['v1'] ?? '', repository.ancestor];

      const resolved = await Promise.all(commits.map((commit) => resolve(commit)));

      expect(resolved).toEqual(commits.map((commit) => ({ kind: 'resolved', commit })));
    });

    it.each([
      ['a branch or tag that is not there', 'no-such-branch'],
      ['the beginning of a name', 'mai'],
      ['the end of a name', 'a+b'],
      ['an abbreviated SHA', 'abcdef1'],
      ['a full SHA that is not there', '0'.repeat(39).concat('1')],
    ])('says that %s is not there', async (_what, ref) => {
      expect(await resolve(ref)).toEqual({ kind: 'ref-not-found', message: expect.stringContaining(ref) });
    });

    it.each([
      ['a branch', 'main'],
      ['a full SHA', '0123456789abcdef0123456789abcdef01234567'],
    ])('says that a repository is not there, asked for %s', async (_what, ref) => {
      expect(await resolve(ref, 'no-such-repository')).toEqual({
        kind: 'repository-not-found',
        message: expect.stringContaining('no-such-repository'),
      });
    });
  });
}
