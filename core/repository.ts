/** The address of a repository, and what is wrong with one that is none: a wrong kind is told by its name. Pure. */
import { z } from 'zod';

const OVER_HTTP = /^https?:\/\/[a-z0-9.-]+(?::\d{1,5})?(?:\/(?![-.])[A-Za-z0-9._~-]+)+$/;
const ON_DISK = /^file:\/\/(?:\/(?![-.])[A-Za-z0-9._~+-]+)+$/;

/** The first that fits says what is wrong. None repeats the address: a credential may be in it. */
const WRONG_KINDS: readonly (readonly [kind: RegExp, message: string])[] = [
  [
    /^(?:git\+)?ssh:|^[\w.-]+@[\w.-]+:/,
    'is an SSH address: give the one with https://, and for a private repository code.credential',
  ],
  [/^(?:https?:\/\/)?[^/]*@/, 'holds a credential: leave it out, and name one by code.credential'],
  [/^file:(?!\/\/\/)/, 'must have three slashes, as in file:///absolute/path, for a repository on disk'],
  [
    /^(?:[/.~]|[A-Za-z]:\\)/,
    'is a path: the local run takes file:///absolute/path, every other one an address such as https://github.com/acme/word-count',
  ],
];

export const repositorySchema = z
  .string()
  .max(500)
  .overwrite((address) => address.replace(/(?<=[^/])\/$/, ''))
  // The alphabet alone lets through port 99999 and host 256.256.256.256, which no URL parser takes.
  .refine((address) => (OVER_HTTP.test(address) || ON_DISK.test(address)) && URL.canParse(address), {
    error: ({ input }) =>
      WRONG_KINDS.find(([kind]) => kind.test(String(input)))?.[1] ??
      'must be a repository address such as https://github.com/acme/word-count',
  });
