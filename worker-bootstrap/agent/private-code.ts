/** What private repositories need: credentials from files on a local machine, from the parameter store elsewhere. */

import { SsmSecretSource } from '../../adapters/aws/secret-source.ts';
import { createSsmClient } from '../../adapters/aws/ssm-client.ts';
import { type CredentialUser, RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { FileSecretSource } from '../../adapters/local/file-secret-source.ts';
import type { Clock } from '../../core/ports.ts';
import type { AgentConfig } from './config.ts';

export function openCredentials(
  { credentialsDir, stage }: Pick<AgentConfig, 'credentialsDir' | 'stage'>,
  clock: Clock,
): CredentialUser {
  const secrets = credentialsDir
    ? new FileSecretSource(credentialsDir)
    : new SsmSecretSource({ client: createSsmClient(), stage });
  return new RepositoryCredentials({ secrets, clock });
}
