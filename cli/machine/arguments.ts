/** What `npm run machine` is told. */
import { parseArgs } from 'node:util';

export const HELP = `Tells a machine of your own how to join a fleet of provider "external".

  npm run machine -- --fleet own [--stage dev] [--region us-east-1]
  npm run --silent machine -- --fleet own --env > shoal.env

  --fleet     which one it joins (required); fleets.yml declares it, with "provider: external"
  --env       only the environment file, for a shell, "docker run --env-file", systemd and Kubernetes
  --stage     the deployment's stage (default: dev)
  --region    the deployment's region (default: the AWS SDK's own, such as AWS_REGION)
  --local     joins the local run ("npm start") instead
  --data      with --local: the folder of the local run (default: .shoal in the checkout)
  --idle      so many seconds without work end it; "never", the default: it waits as long as it takes
  --work-dir  where it works; each agent on a machine needs one of its own (default: /var/lib/shoal)

It asks the deployment with your own AWS credentials, and prints none: a machine brings its own.`;

const OPTIONS = {
  fleet: { type: 'string' },
  env: { type: 'boolean', default: false },
  stage: { type: 'string', default: 'dev' },
  region: { type: 'string' },
  local: { type: 'boolean', default: false },
  data: { type: 'string' },
  idle: { type: 'string', default: 'never' },
  'work-dir': { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export interface MachineArguments {
  readonly fleet: string;
  readonly env: boolean;
  readonly stage: string;
  readonly region: string | undefined;
  readonly local: boolean;
  readonly data: string | undefined;
  /** Seconds, or `never`. */
  readonly idle: string;
  readonly workDir: string | undefined;
}

/** @returns `help` when that is what is asked for. @throws Error in words for people */
export function readArguments(args: readonly string[]): MachineArguments | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { help, fleet, region, data, 'work-dir': workDir, ...rest } = values;
  if (help) return 'help';
  if (!fleet) throw new Error('--fleet is missing');
  if (!/^[a-z][a-z0-9-]*$/.test(rest.stage)) throw new Error('--stage must be the name of a stage, such as dev');
  if (!/^(never|[1-9]\d{0,5})$/.test(rest.idle)) throw new Error('--idle must be a number of seconds, or never');
  if (workDir !== undefined && !workDir.startsWith('/')) throw new Error('--work-dir must be an absolute path');
  return { ...rest, fleet, region, data, workDir };
}
