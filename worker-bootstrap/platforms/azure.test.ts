// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
/** The first boot of a machine on Azure: Debian, a metadata server, a container. `curl` and `apt-get` are fakes. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { azureAddresses } from '../../core/clouds.ts';
import { fleetSchema } from '../../core/fleet.ts';
import { machineEnvironment } from '../../core/machine-environment.ts';
import { azureCloudFactory } from '../../test/clouds/azure/azure-cloud.ts';
import { boot, ENVIRONMENT, reasonIn, sha256 } from '../testing/first-boot.ts';
import { BOOTSTRAP } from '../testing/test-machine.ts';
import { renderUserData } from '../user-data.ts';
import { AZURE } from './azure.ts';

const BUCKET = 'https://shoaldev.blob.core.windows.net/shoal';
const QUEUE = 'https://shoal-dev.servicebus.windows.net/shoal-status-dev';
const MACHINE = 'https://management.azure.com/subscriptions/s/virtualMachines/i-1?api-version=2024-07-01';
const AGENT = 'console.log("agent on", process.env.SHOAL_INSTANCE_ID)';

/** Answers as the metadata server, Blob Storage, Service Bus and Resource Manager do, and notes what it was asked. */
const CURL = `url=\${@: -1} out=/dev/stdout headers= data= method=GET
while (($# > 1)); do
  case $1 in
  -o | --output) out=$2 ;;
  -H | --header) if [[ $2 == @* ]]; then headers+="[$(cat "\${2#@}" | tr '\\n' ' ')]"; else headers+="[$2]"; fi ;;
  -X) method=$2 ;;
  --data-raw) data=$2 method=POST ;;
  esac
  shift
done
echo "request: $method $url $headers" >&2
case $url in
*/metadata/identity/*resource=*) printf '{"access_token":"for %s","token_type":"Bearer"}' "\${url##*=}" ;;
*/bootstrap.sh) cat "$FOLDER/bootstrap.sh" >"$out" ;;
*/agent.mjs) printf %s '${AGENT}' >"$out" ;;
*/shoal-status-dev/messages | */status/messages) printf '%s\\0' "$data" >>"$FOLDER/reports" ;;
*/virtualMachines/i-1*) ;;
*) exit 22 ;;
esac`;

const onAzure = (bootstrap: string, environment: Readonly<Record<string, string>> = {}) =>
  boot(
    bootstrap,
    {
      SHOAL_SERVICES: 'azure',
      SHOAL_BUCKET: BUCKET,
      SHOAL_STATUS_QUEUE_URL: QUEUE,
      SHOAL_MACHINE_URL: MACHINE,
      SHOAL_NODE: process.execPath,
      ...environment,
    },
    {
      platform: AZURE,
      url: `${BUCKET}/artifacts/1/bootstrap.sh`,
      programs: { curl: CURL, 'apt-get': 'echo "installed: $*"' },
    },
  );
const READY = 'touch "$SHOAL_WORK_DIR/ready"; echo "I am $SHOAL_INSTANCE_ID"';
const DELETED = `request: DELETE ${MACHINE} [Authorization: Bearer for https://management.azure.com]\n`;

describe('a machine on Azure', () => {
  it('fits 8 KB with everything that it needs to know', () => {
    const cloud = azureCloudFactory({ namespace: `n${'a'.repeat(49)}`, storageAccount: 's'.repeat(24) });
    const { queueUrlPrefix, statusQueueUrl, bucketUrl: bucket } = azureAddresses(cloud, 'production');
    const [agentSha256, agentUrl] = ['a'.repeat(64), `${bucket}/artifacts/${'a'.repeat(64)}/agent.mjs`];
    const fleet = { ...fleetSchema.parse({ provider: 'azure' }), name: 'f'.repeat(32) };
    const settings = {
      stage: 'production',
      services: 'azure',
      region: 'ap-southeast-2',
      bucket,
      queueUrlPrefix,
    } as const;
    const environment = {
      ...machineEnvironment(fleet, { ...settings, statusQueueUrl, agentUrl, agentSha256, readyDeadlineSeconds: 300 }),
      SHOAL_INSTANCE_ID: 'm'.repeat(64),
      SHOAL_MACHINE_URL: `https://management.azure.com${cloud.subnetId}${'m'.repeat(160)}`,
    };

    const script = renderUserData({ url: agentUrl, sha256: agentSha256, environment, platform: AZURE });

    expect(Buffer.byteLength(script)).toBeLessThan(AZURE.maxBytes);
  });

  it('fetches bootstrap.sh from the container with a token for storage', async () => {
    const machine = await onAzure(READY);

    expect(machine.log).toContain('I am i-1\n');
    expect(machine.log).toContain(
      `request: GET ${BUCKET}/artifacts/1/bootstrap.sh [Authorization: Bearer for https://storage.azure.com][x-ms-version:2021-08-06]\n`,
    );
    expect([machine.exitCode, machine.reports]).toEqual([0, []]);
  });

  it('deletes itself when it ends, for it would cost on if it were only switched off', async () => {
    const machine = await onAzure(READY);

    expect(machine.log.split(DELETED)).toHaveLength(2);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('switches itself off where it may not delete itself, and says so', async () => {
    const machine = await onAzure(READY, { SHOAL_MACHINE_URL: 'https://management.azure.com/of-others' });

    expect(machine.log).toContain('it is only switched off');
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('fetches the agent with its token, and shows that token to nobody but the container', async () => {
    const machine = await onAzure(readFileSync(BOOTSTRAP, 'utf8'), {
      SHOAL_AGENT_URL: `${BUCKET}/artifacts/2/agent.mjs`,
      SHOAL_AGENT_SHA256: sha256(AGENT),
    });

    expect(machine.log).toContain(
      `${BUCKET}/artifacts/2/agent.mjs [x-ms-version: 2021-08-06 Authorization: Bearer for https://storage.azure.com]\n`,
    );
    expect(machine.log).toContain('agent on i-1\n');
  });

  it('reports a failed boot on the status queue of its stage before it goes', async () => {
    const machine = await onAzure('echo "no luck"; exit 7');

    expect(reasonIn(machine.reports[0])).toMatch(/^bootstrap.sh ended with 7: .*no luck/s);
    const report = `request: POST ${QUEUE}/messages [Authorization: Bearer for https://servicebus.azure.net]`;
    expect(machine.log.indexOf(report)).toBeGreaterThan(0);
    expect(machine.log.indexOf(DELETED)).toBeGreaterThan(machine.log.indexOf(report));
  });

  it('that cannot report a failed boot stays, switched off: gone without a word it would look like one that was taken back', async () => {
    const machine = await onAzure('exit 7', { SHOAL_STATUS_QUEUE_URL: `${QUEUE}-of-others` });

    expect(machine.log).toContain('not reported: ');
    expect(machine.log).not.toContain('request: DELETE');
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('sends no token over plain HTTP', async () => {
    const machine = await onAzure('exit 7', {
      SHOAL_STATUS_QUEUE_URL: 'http://127.0.0.1:1/status',
      SHOAL_MACHINE_URL: 'http://127.0.0.1:1/virtualMachines/i-1',
    });

    expect(machine.log).toContain('request: POST http://127.0.0.1:1/status/messages []');
    expect(machine.log).toContain('request: DELETE http://127.0.0.1:1/virtualMachines/i-1 []\n');
  });

  const linter = spawnSync('shellcheck', ['--version']).status === 0;
  it.skipIf(!linter)('has a script that passes shellcheck (skipped where that is not installed)', () => {
    const input = renderUserData({ url: BUCKET, sha256: '', environment: ENVIRONMENT, platform: AZURE });

    expect(spawnSync('shellcheck', ['--shell=bash', '-'], { input, encoding: 'utf8' }).stdout).toBe('');
  });
});
