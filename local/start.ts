/** `npm start`: the whole pipeline on this machine, until Ctrl-C. */

import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { argumentsOrExit } from './arguments-or-exit.ts';
import { type FirstJob, makeFirstJob } from './first-job.ts';
import type { LocalDescription } from './local-description.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import { portsOrFree, SERVICES } from './ports.ts';
import { RunDirectory } from './run-directory.ts';
import { onStopSignals } from './stop-signals.ts';

const DEFAULT_PORT = 4100;

const HELP = `Runs Shoal on this machine until Ctrl-C: the API, the functions, the emulated AWS services, and machines as processes.

  npm start -- [--port 4100] [--data .shoal] [--keep]

  --port  the first of ${SERVICES.length} consecutive ports (${SERVICES.join(', ')}); 0 takes free ones
          (default: ${DEFAULT_PORT}, or free ones when another checkout has these)
  --data  the folder for everything that the run writes (default: .shoal in the checkout)
  --keep  goes on with jobs that an earlier run over the same folder left open, however that ended; otherwise they are
          closed. Ended jobs and their results stay in either case

Example:  npm start -- --port 5000 --data /tmp/shoal

SHOAL_TICK_SECONDS sets how often the scaler looks by itself (default: 5).`;

const OPEN_JOBS = 'the next npm start closes the jobs that are still open; npm start -- --keep goes on with them';

function readArguments(): { basePort: number | undefined; dataDirectory: string | undefined; keep: boolean } | 'help' {
  const options = {
    port: { type: 'string' },
    data: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return 'help';
  const basePort = values.port === undefined ? undefined : Number(values.port);
  const highest = 65_536 - SERVICES.length;
  if (basePort !== undefined && (!/^\d+$/.test(values.port ?? '') || basePort > highest))
    throw new Error(`--port must be a number from 0 to ${highest}`);
  return { basePort, dataDirectory: values.data, keep: values.keep };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** As a word of a shell's command line. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function pathFromHere(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}

function describe(local: LocalDescription, directory: RunDirectory, firstJobPath: string): string {
  const key = `-H "Authorization: Bearer ${local.apiKey}"`;
  return `
Shoal runs on this machine.

  API key         ${local.apiKey}
  API             ${local.apiUrl}
  SQS             ${local.sqsUrl}
  DynamoDB        ${local.dynamodbUrl}
  S3              ${local.s3Url}
  Step Functions  ${local.statesUrl}
  Lambda          ${local.lambdaUrl}
  metadata        ${local.metadataUrl}
  logs            ${pathFromHere(local.logsDir)}, of machines ${pathFromHere(join(directory.instances, '*', 'log'))}

For another terminal:

  export API=${local.apiUrl} KEY=${local.apiKey} METADATA=${local.metadataUrl}

A first job, and what became of it:

  curl -sS ${local.apiUrl}/v1/jobs ${key} -H "Content-Type: application/json" --data @${quoted(pathFromHere(firstJobPath))}
  curl -sS ${local.apiUrl}/v1/jobs ${key}

For the aws CLI or an SDK:

  export AWS_REGION=${local.region} AWS_DEFAULT_REGION=${local.region} AWS_ACCESS_KEY_ID=${local.accessKeyId} AWS_SECRET_ACCESS_KEY=${local.secretAccessKey}
  export AWS_ENDPOINT_URL_SQS=${local.sqsUrl} AWS_ENDPOINT_URL_DYNAMODB=${local.dynamodbUrl} AWS_ENDPOINT_URL_S3=${local.s3Url}
  export AWS_ENDPOINT_URL_SFN=${local.statesUrl} AWS_ENDPOINT_URL_LAMBDA=${local.lambdaUrl}

Ctrl-C stops everything; npm start -- --keep goes on with the jobs that are open then.`;
}

/** On the ports that were asked for; unasked on the usual ones, or on others when somebody else has, or just takes, one of these. */
async function startSomewhere(basePort: number | undefined, options: PipelineOptions): Promise<Pipeline> {
  if (basePort !== undefined) return startPipeline({ ...options, basePort });
  const usual = await portsOrFree(DEFAULT_PORT, (line) => console.log(line));
  try {
    return await startPipeline({ ...options, basePort: usual });
  } catch (error) {
    // Between the look and the start another run was faster.
    if (usual === 0 || !messageOf(error).includes('is already in use')) throw error;
    console.log('somebody took one of the ports just now: taking others');
    return startPipeline({ ...options, basePort: 0 });
  }
}

async function main(): Promise<number> {
  const { basePort, dataDirectory, keep } = await argumentsOrExit(HELP, readArguments);
  const abort = new AbortController();
  let pipeline: Pipeline | undefined;
  let firstJob: FirstJob | undefined;
  const asked = new Promise<'asked'>((resolve) => {
    const first = (): void => {
      console.log('\nstopping; once more to stop at once');
      if (pipeline) console.log(OPEN_JOBS);
      abort.abort(new Error('stopped while starting'));
      resolve('asked');
    };
    const second = (): void => {
      void Promise.allSettled([pipeline?.kill(), firstJob?.remove()]).then(() => process.exit(1));
    };
    onStopSignals(first, second);
  });
  try {
    firstJob = await makeFirstJob();
    pipeline = await startSomewhere(basePort, {
      ...(dataDirectory === undefined ? {} : { dataDirectory }),
      keep,
      signal: abort.signal,
      onProgress: (line) => console.log(`${line} …`),
    });
    const directory = new RunDirectory(dataDirectory);
    const firstJobPath = join(directory.root, 'first-job.json');
    await writeFile(firstJobPath, `${JSON.stringify(firstJob.document, null, 2)}\n`);
    console.log(describe(pipeline.local, directory, firstJobPath));
    const end = await Promise.race([asked, pipeline.failure]);
    if (end === 'asked') return 0;
    console.error(`\n${end.message}`);
    return 1;
  } catch (error) {
    if (abort.signal.aborted) return 0;
    console.error(`Shoal could not start: ${messageOf(error)}`);
    return 1;
  } finally {
    await pipeline?.stop();
    await firstJob?.remove();
  }
}

process.exit(await main());
