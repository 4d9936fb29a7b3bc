import { describe, expect, it } from 'vitest';
import { FileCodeResolver } from './file-code-resolver.ts';
import { gitRepository } from './testing/git-repository.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

const resolver = new FileCodeResolver();

describe('FileCodeResolver', () => {
  it('pins HEAD, a branch, a lightweight tag and an annotated one, and a commit', async () => {
    const { url: repository, git, commit } = gitRepository();
    const first = commit({ a: '1' });
    git('tag', 'light');
    git('tag', '--annotate', '--message', 'one', 'v1.0');
    git('branch', 'feature/x');
    const second = commit({ a: '2' });

    const pinned = async (ref: string) => resolver.resolve({ repository, ref });

    expect(await pinned('HEAD')).toEqual({ kind: 'resolved', commit: second });
    expect(await pinned('main')).toEqual({ kind: 'resolved', commit: second });
    expect(await pinned('feature/x')).toEqual({ kind: 'resolved', commit: first });
    expect(await pinned('light')).toEqual({ kind: 'resolved', commit: first });
    expect(await pinned('v1.0')).toEqual({ kind: 'resolved', commit: first });
    expect(await pinned(first)).toEqual({ kind: 'resolved', commit: first });
  });

  it.each(['nope', 'f'.repeat(40), '--all', '--output=/tmp/x', 'main~1', 'HEAD^', ''])(
    'finds no ref %j',
    async (ref) => {
      const repository = gitRepository();
      repository.commit({ a: '1' });
      repository.commit({ a: '2' });

      expect(await resolver.resolve({ repository: repository.url, ref })).toMatchObject({ kind: 'ref-not-found' });
    },
  );

  it('finds no repository in a folder without one, not even in a subfolder of one', async () => {
    const { url, commit } = gitRepository();
    commit({ 'sub/a': '1' });

    for (const repository of [`file://${temporaryFolder()}`, 'file:///no/such/place', `${url}/sub`, 'file://host/x']) {
      expect(await resolver.resolve({ repository, ref: 'main' })).toMatchObject({ kind: 'repository-not-found' });
    }
  });
});
