import { describe, expect, it } from 'vitest';
import { repositorySchema } from './repository.ts';

const faultsOf = (repository: unknown) =>
  repositorySchema.safeParse(repository).error?.issues.map((each) => each.message);

describe('the address of a repository', () => {
  it.each([
    ['https://github.com/acme/word-count/', 'https://github.com/acme/word-count'],
    ['file:///srv/git/word-count/', 'file:///srv/git/word-count'],
    ['http://git.example.com:8080/~me/a_b', 'http://git.example.com:8080/~me/a_b'],
  ])('%s is taken, as %s', (given, taken) => {
    expect(repositorySchema.parse(given)).toBe(taken);
  });

  it.each([
    ['git@github.com:acme/word-count', /^is an SSH address: .*https:\/\/.*code\.credential/],
    ['ssh://git@github.com/acme/word-count', /^is an SSH address/],
    ['git+ssh://github.com/acme/word-count', /^is an SSH address/],
    ['https://me:secret@github.com/acme/word-count', /^holds a credential: .*code\.credential/],
    ['https://secret@github.com/acme/word-count/', /^holds a credential/],
    ['me:secret@github.com/acme/word-count', /^holds a credential/],
    ['file://tmp/word-count', /^must have three slashes, as in file:\/\/\/absolute\/path/],
    ['file:srv/word-count', /^must have three slashes/],
    ['/srv/word-count', /^is a path: .*file:\/\/\/absolute\/path/],
    ['./word-count', /^is a path/],
    ['~/word-count', /^is a path/],
    ['C:\\word-count', /^is a path/],
    ['acme/word-count', /^must be a repository address such as https:\/\/github\.com\/acme\/word-count$/],
    ['https://github.com/', /^must be a repository address/],
    ['file:///', /^must be a repository address/],
    ['https://github.com/acme/a//', /^must be a repository address/],
    ['', /^must be a repository address/],
  ])('%s is refused, and told why', (repository, why) => {
    const faults = faultsOf(repository);

    expect(faults).toEqual([expect.stringMatching(why)]);
    expect(faults?.join()).not.toContain('secret');
  });
});
