/**
 * Secrets in SSM Parameter Store: a SecureString `/shoal/{stage}/credentials/{name}`, under the account's own key. Nothing
 * is kept here: a secret that was changed counts from the next job on.
 */
import { GetParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { SecretSource } from '../../core/ports.ts';
import { awsCodeOf } from './aws-errors.ts';

/** One path below ours: no empty step, none that leads elsewhere. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
/** Said of a name that no parameter can have, and of one that none has. */
const NO_SUCH = new Set(['ParameterNotFound', 'ParameterVersionNotFound', 'ValidationException']);
/** Its key, which it was encrypted with, may not be used or is gone. */
const WITHOUT_KEY = 'InvalidKeyId';

export class SsmSecretSource implements SecretSource {
  readonly #client: SSMClient;
  readonly #prefix: string;

  constructor({ client, stage }: { client: SSMClient; stage: string }) {
    this.#client = client;
    this.#prefix = `/shoal/${stage}/credentials/`;
  }

  async find(name: string): Promise<string | undefined> {
    if (!NAME.test(name)) return undefined;
    try {
      const command = new GetParameterCommand({ Name: this.#prefix + name, WithDecryption: true });
      const { Parameter } = await this.#client.send(command);
      return Parameter?.Value;
    } catch (error) {
      const code = awsCodeOf(error);
      if (NO_SUCH.has(code)) return undefined;
      if (error instanceof PermanentError || code === WITHOUT_KEY) {
        const message = `the parameter ${this.#prefix}${name} may not be read (${code})`;
        throw new PermanentError(message, { cause: error, context: { name } });
      }
      throw new TransientError('the store of secrets does not answer', { cause: error, context: { name } });
    }
  }
}
