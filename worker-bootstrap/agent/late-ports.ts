/**
 * Ports whose code is evaluated when they are first asked. A machine asks for its first tasks with the queues alone: the
 * client of the bucket comes with the first lease, the one of the parameter store with the first private repository.
 */
import type { CredentialUser } from '../../adapters/git/repository-credentials.ts';
import type { Clock } from '../../core/ports.ts';
import type { AgentConfig } from './config.ts';
import type { Bucket } from './services.ts';

export function lateBucket(open: () => Promise<Bucket>): Bucket {
  const opened = once(open);
  return {
    control: {
      read: async (...asked) => (await opened()).control.read(...asked),
      update: async (...asked) => (await opened()).control.update(...asked),
    },
    blobs: {
      put: async (...asked) => (await opened()).blobs.put(...asked),
      get: async (...asked) => (await opened()).blobs.get(...asked),
      putStream: async (...asked) => (await opened()).blobs.putStream(...asked),
      getStream: async (...asked) => (await opened()).blobs.getStream(...asked),
    },
  };
}

export function lateCredentials(config: Pick<AgentConfig, 'credentialsDir' | 'stage'>, clock: Clock): CredentialUser {
  const opened = once(async () => (await import('./private-code.ts')).openCredentials(config, clock));
  return { authorize: async (...asked) => (await opened()).authorize(...asked) };
}

function once<Value>(open: () => Promise<Value>): () => Promise<Value> {
  let opened: Promise<Value> | undefined;
  return () => (opened ??= open());
}
