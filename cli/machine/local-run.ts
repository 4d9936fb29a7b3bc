/** The local run as a machine of somebody's own needs to know it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { NotFoundError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { READY_DEADLINE_SECONDS } from '../../core/machine-environment.ts';
import { parseDocument } from '../../core/validation.ts';
import { BOOTSTRAP_PATH } from '../../local/end-local-instances.ts';

import { packageAgent } from '../../local/package-agent.ts';
import { LOCAL_ACCOUNT, LOCAL_STAGE } from '../../local/physical-names.ts';
import { machineSurroundings } from '../../local/pipeline-options.ts';
import { RunDirectory } from '../../local/run-directory.ts';
import type { Joining } from './environment.ts';

const descriptionSchema = z.object({
  region: z.string(),
  sqsUrl: z.url(),
  s3Url: z.url(),
  metadataUrl: z.url(),
  statusQueueUrl: z.url(),
  bucket: z.string(),
});

/** @throws NotFoundError when no local run is there */
export async function localRun(dataDirectory: string | undefined): Promise<Joining> {
  const { root, taskRoot, credentials } = new RunDirectory(dataDirectory);
  const text = await readFile(join(root, 'local.json'), 'utf8').catch(() => undefined);
  if (text === undefined) throw new NotFoundError(`no local run is described in ${root}: start one with npm start`);
  const run = parseDocument(descriptionSchema, JSON.parse(text), 'local.json');
  const file = fleetsFileSchema.parse(parse(await readFile(join(taskRoot, 'fleets.yml'), 'utf8')));
  const agent = await packageAgent();
  return {
    fleets: fleetsOf(file),
    bootstrapUrl: pathToFileURL(BOOTSTRAP_PATH).href,
    surroundings: {
      ...machineSurroundings({ sqs: run.sqsUrl, s3: run.s3Url, metadata: run.metadataUrl }),
      SHOAL_CREDENTIALS_DIR: credentials,
    },
    settings: {
      stage: LOCAL_STAGE,
      region: run.region,
      bucket: run.bucket,
      queueUrlPrefix: `${run.sqsUrl}/${LOCAL_ACCOUNT}/`,
      statusQueueUrl: run.statusQueueUrl,
      agentUrl: agent.url,
      agentSha256: agent.sha256,
      readyDeadlineSeconds: READY_DEADLINE_SECONDS,
    },
  };
}
