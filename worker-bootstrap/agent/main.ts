/** The agent as a program: wires the AWS adapters, listens for signals, runs until the machine's life ends. */
import { createS3Client, createSqsClient, createSsmClient } from '../../adapters/aws/clients.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { SsmSecretSource } from '../../adapters/aws/secret-source.ts';
import { SqsStatusChannel } from '../../adapters/aws/sqs-status-channel.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { FileSecretSource } from '../../adapters/local/file-secret-source.ts';
import { type AgentPorts, runAgent } from './agent.ts';
import { systemClock } from './clock.ts';
import { parseAgentConfig } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createJsonLog } from './log.ts';
import { withReadyFile } from './ready-file.ts';
import { runAsProgram } from './run-as-program.ts';

await runAsProgram(async () => {
  const config = parseAgentConfig();
  const { bucket, queueUrlPrefix, stage, statusQueueUrl, instanceId, fleet } = config;
  const clock = systemClock;
  const log = createJsonLog((line) => process.stdout.write(line), clock, { fleet, instanceId });
  const sqs = createSqsClient();
  const s3 = createS3Client();
  const { credentialsDir } = config;
  const secrets = credentialsDir
    ? new FileSecretSource(credentialsDir)
    : new SsmSecretSource({ client: createSsmClient(), stage });
  const ports: AgentPorts = {
    queues: sqsTaskQueues({ client: sqs, queueUrlPrefix, stage }),
    status: withReadyFile(
      new SqsStatusChannel({ client: sqs, queueUrl: statusQueueUrl, source: instanceId }),
      config.workDir,
    ),
    control: new S3ControlChannel({ client: s3, bucket }),
    blobs: new S3BlobStore({ client: s3, bucket }),
    credentials: new RepositoryCredentials({ secrets, clock }),
    clock,
    random: Math.random,
    log,
  };
  const lifecycle = new Lifecycle();
  return { lifecycle, finished: runAgent(config, ports, lifecycle) };
});
