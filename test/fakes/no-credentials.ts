import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { InMemorySecretSource } from './in-memory-secret-source.ts';

/** Where no test has a credential: every name is unknown. */
export const NO_CREDENTIALS = new RepositoryCredentials({
  secrets: new InMemorySecretSource(),
  clock: { now: () => new Date() },
});
