/** The environment of a function here: the template's, what Lambda adds, and where the emulated services are. */
import { delimiter, dirname } from 'node:path';
import { LOCAL_REGION } from '../physical-names.ts';
import type { FunctionSpec } from './function-spec.ts';
import type { HostConfiguration } from './host-configuration.ts';

/** Any pair will do for the emulators; not being anybody's, it can do no harm anywhere else. */
export const LOCAL_CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' } as const;

/** Of the host's own environment a function sees only what finding programs and files takes. */
const INHERITED = ['HOME', 'TMPDIR', 'LANG', 'USER', 'NODE_COMPILE_CACHE'];

/**
 * Makes the environment of one function.
 * @param own the environment of the host process
 */
export function functionEnvironment(
  spec: FunctionSpec,
  configuration: HostConfiguration,
  lambdaUrl: string,
  own: NodeJS.ProcessEnv,
): Record<string, string> {
  const { endpoints } = configuration;
  const inherited = INHERITED.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]] as const]));
  return {
    ...Object.fromEntries(inherited),
    // The Node that runs the host comes first, so that whatever a function starts gets the same one.
    PATH: [dirname(process.execPath), own['PATH'] ?? '/usr/bin:/bin'].join(delimiter),
    TZ: ':UTC',
    ...spec.environment,
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
    // A profile of the person at this machine must have no say.
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_SFN: endpoints.states,
    AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
    AWS_LAMBDA_FUNCTION_NAME: spec.name,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(spec.memoryMiB),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${spec.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    LAMBDA_TASK_ROOT: configuration.taskRoot ?? spec.packageDirectory,
    QUEUE_URL_PREFIX: configuration.queueUrlPrefix,
    ...configuration.environment,
  };
}
