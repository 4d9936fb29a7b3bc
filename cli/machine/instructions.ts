/** How a machine joins, as commands to copy. */
import type { MachineArguments } from './arguments.ts';

export const FILE = 'shoal.env';

/** @param command how this was asked for, without `--env` */
export function instructions({ fleet, local, ...told }: MachineArguments, bootstrapUrl: string): string {
  const common = `npm run --silent machine -- --fleet ${fleet}${optionsOf({ fleet, local, ...told })} --env > ${FILE}`;
  const bootstrap = local ? new URL(bootstrapUrl).pathname : './bootstrap.sh';
  const bare = [
    ...(local ? [] : [`aws s3 cp ${bootstrapUrl} bootstrap.sh`]),
    `(set -a; . ./${FILE}; exec bash ${bootstrap})`,
  ];
  const lines = (commands: readonly string[]): string => commands.map((command) => `  ${command}`).join('\n');
  const here = `
Its settings, in a file (no secret is in it):

${lines([common])}

On a machine with Node 22 or later, git${local ? '' : ', the AWS CLI and AWS credentials of its own'}:

${lines(bare)}
`;
  return local ? here : `${here}${elsewhere}`;
}

const elsewhere = `
In a container, whose image is built from a checkout:

  docker build --file deploy/docker/Dockerfile --tag shoal-machine .
  docker run --detach --restart unless-stopped --stop-timeout 90 --env-file ${FILE} shoal-machine

On Kubernetes: deploy/kubernetes/, with that file as deploy/kubernetes/base/${FILE}.

What it may do on AWS, and where its credentials come from: docs/guide/own-machines.md
`;

function optionsOf({ local, data, stage, region, idle, workDir }: MachineArguments): string {
  const where = local ? ['--local', ...(data ? ['--data', data] : [])] : ['--stage', stage];
  const options = [
    ...where,
    ...(region && !local ? ['--region', region] : []),
    ...(idle === 'never' ? [] : ['--idle', idle]),
    ...(workDir ? ['--work-dir', workDir] : []),
  ];
  return ` ${options.join(' ')}`;
}
