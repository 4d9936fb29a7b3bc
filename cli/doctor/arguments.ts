/** What `npm run doctor` is told. */
import { parseArgs } from 'node:util';

export const HELP = `Looks at a deployment and every link between its clouds; says what is missing, and the command that mends it.

  npm run doctor -- [--stage dev] [--region us-east-1] [--local] [--json]

  --stage    the deployment's stage (default: dev)
  --region   the deployment's region (default: the AWS SDK's own, such as AWS_REGION)
  --local    looks at this machine and its local run instead
  --data     with --local: the folder of the local run (default: .shoal in the checkout)
  --fleets   the file that declares fleets and clouds (default: fleets.yml of the checkout)
  --json     findings as JSON, for programs
  --timeout  seconds that one look may take (default: 20)

Example:  npm run doctor -- --stage prod --region eu-west-1

✓ in order   ! to note: it works, up to a point   ✗ to mend   – not looked at, and why   → the command that helps

It changes nothing, and asks with your own AWS credentials. Exit code 0: nothing is to be mended; 1: something is;
2: an option is wrong.`;

const OPTIONS = {
  stage: { type: 'string', default: 'dev' },
  region: { type: 'string' },
  local: { type: 'boolean', default: false },
  data: { type: 'string' },
  fleets: { type: 'string' },
  json: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '20' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export interface DoctorArguments {
  readonly stage: string;
  readonly region: string | undefined;
  readonly local: boolean;
  readonly data: string | undefined;
  readonly fleets: string | undefined;
  readonly json: boolean;
  readonly limitMs: number;
}

/** @returns `help` when that is what is asked for. @throws Error in words for people */
export function readArguments(args: readonly string[]): DoctorArguments | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { help, timeout, region, fleets, data, ...rest } = values;
  if (help) return 'help';
  const limitMs = Number(timeout) * 1_000;
  if (!(limitMs > 0 && limitMs <= 600_000)) throw new Error('--timeout must be a number of seconds, up to 600');
  if (!/^[a-z][a-z0-9-]*$/.test(rest.stage)) throw new Error('--stage must be the name of a stage, such as dev');
  if (region !== undefined && !/^[a-z]{2,4}(-[a-z]+)+-\d$/.test(region)) {
    throw new Error('--region must be a region of AWS, such as eu-west-1');
  }
  return { ...rest, region, fleets, data, limitMs };
}
