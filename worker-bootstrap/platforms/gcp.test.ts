// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
/** The first boot of a machine on Compute Engine: Debian, a metadata server, a bucket. `curl` and `apt-get` are fakes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boot, ENVIRONMENT, reasonIn, sha256 } from '../testing/first-boot.ts';
import { BOOTSTRAP } from '../testing/test-machine.ts';
import { renderUserData } from '../user-data.ts';
import { NODE_RELEASE } from './debian.ts';
import { GCP } from './gcp.ts';

const BUCKET = 'https://storage.googleapis.com/shoal-data';
const TOPIC = 'https://pubsub.googleapis.com/v1/projects/acme/topics/shoal-status-dev';
const INSTANCE_ID = 'europe-west4-b.shoal-dev-default-1a2b3c4d-0001';
const AGENT = 'console.log("agent on", process.env.SHOAL_INSTANCE_ID)';

/** Answers as the metadata server ("About VM metadata"), Cloud Storage and Pub/Sub do, and notes what it was asked. */
const CURL = `url=\${@: -1} out=/dev/stdout headers= data=
while (($# > 1)); do
  case $1 in
  -o | --output) out=$2 ;;
  -H | --header) if [[ $2 == @* ]]; then headers+="[$(cat "\${2#@}")]"; else headers+="[$2]"; fi ;;
  -d) data=$2 ;;
  esac
  shift
done
echo "request: $url $headers" >&2
case $url in
*/instance/zone) printf projects/123456/zones/europe-west4-b ;;
*/instance/name) printf shoal-dev-default-1a2b3c4d-0001 ;;
*/service-accounts/default/token) printf '{"access_token":"ya29.secret","expires_in":3599,"token_type":"Bearer"}' ;;
*/bootstrap.sh) cat "$FOLDER/bootstrap.sh" >"$out" ;;
*/agent.mjs) printf %s '${AGENT}' >"$out" ;;
*:publish) sed 's/.*"data":"\\([^"]*\\)".*/\\1/' <<<"$data" | base64 -d | tr '\\n' '\\0' >>"$FOLDER/reports" ;;
*) exit 22 ;;
esac`;

const onCompute = (bootstrap: string, environment: Readonly<Record<string, string>> = {}) =>
  boot(
    bootstrap,
    {
      SHOAL_INSTANCE_ID: '',
      SHOAL_SERVICES: 'gcp',
      SHOAL_BUCKET: BUCKET,
      SHOAL_STATUS_QUEUE_URL: TOPIC,
      ...environment,
    },
    {
      platform: GCP,
      url: `${BUCKET}/artifacts/1/bootstrap.sh`,
      programs: { curl: CURL, 'apt-get': 'echo "installed: $*"' },
    },
  );

describe('a machine on Compute Engine', () => {
  it('fits 8 KB with everything that it needs to know', () => {
    const hex = 'a'.repeat(64);
    const environment = {
      ...ENVIRONMENT,
      SHOAL_STAGE: 'production',
      SHOAL_SERVICES: 'gcp',
      SHOAL_QUEUE_URL_PREFIX: 'https://pubsub.googleapis.com/v1/projects/a-project-of-thirty-letters-x/',
      SHOAL_STATUS_QUEUE_URL: TOPIC,
      SHOAL_BUCKET: BUCKET,
      SHOAL_AGENT_URL: `${BUCKET}/artifacts/${hex}/agent.mjs`,
      SHOAL_AGENT_SHA256: hex,
    };

    const script = renderUserData({
      url: `${BUCKET}/${hex}/bootstrap.sh`,
      sha256: hex,
      environment,
      platform: GCP,
    });

    expect(Buffer.byteLength(script)).toBeLessThan(GCP.maxBytes);
  });

  it('learns which one it is from its metadata server, and fetches bootstrap.sh from the bucket with its own token', async () => {
    const machine = await onCompute('touch "$SHOAL_WORK_DIR/ready"; echo "I am $SHOAL_INSTANCE_ID"');

    expect(machine.log).toContain(`I am ${INSTANCE_ID}\n`);
    expect(machine.log).toContain(`request: ${BUCKET}/artifacts/1/bootstrap.sh [Authorization: Bearer ya29.secret]\n`);
    expect([machine.exitCode, machine.reports]).toEqual([0, []]);
  });

  it('brings a Node of a known hash, as the one of Debian is too old', async () => {
    const machine = await onCompute('touch "$SHOAL_WORK_DIR/ready"; echo "$SHOAL_NODE_SHA256 $SHOAL_NODE_URL"');

    const { arch, sha256: hash } = process.arch === 'arm64' ? NODE_RELEASE.aarch64 : NODE_RELEASE.x86_64;
    expect(machine.log).toContain(`${hash} https://nodejs.org/dist/v${NODE_RELEASE.version}/`);
    expect(machine.log).toContain(`-linux-${arch}.tar.xz\n`);
  });

  it('fetches the agent with its token, and shows that token to nobody but the bucket', async () => {
    const machine = await onCompute(readFileSync(BOOTSTRAP, 'utf8'), {
      SHOAL_AGENT_URL: `${BUCKET}/artifacts/2/agent.mjs`,
      SHOAL_AGENT_SHA256: sha256(AGENT),
      SHOAL_NODE_URL: 'https://nodejs.org/dist/none.tar.xz',
      SHOAL_NODE: process.execPath,
    });

    expect(machine.log).toContain(`${BUCKET}/artifacts/2/agent.mjs [Authorization: Bearer ya29.secret]\n`);
    expect(machine.log).toContain(`agent on ${INSTANCE_ID}\n`);
  });

  it('asks other addresses without a token', async () => {
    const machine = await onCompute(readFileSync(BOOTSTRAP, 'utf8'), {
      SHOAL_AGENT_URL: 'https://storage.googleapis.com/shoal-data-of-others/agent.mjs',
      SHOAL_AGENT_SHA256: sha256(AGENT),
      SHOAL_NODE: process.execPath,
    });

    expect(machine.log).toContain('request: https://storage.googleapis.com/shoal-data-of-others/agent.mjs []\n');
  });

  it('reports a failed boot on the topic of its stage, by its own name', async () => {
    const machine = await onCompute('echo "no luck"; exit 7');

    expect(reasonIn(machine.reports[0], INSTANCE_ID)).toMatch(/^bootstrap.sh ended with 7: .*no luck/s);
    expect(machine.shutdowns.at(-1)).toBe('-h now');
  });

  it('sends no token over plain HTTP', async () => {
    const machine = await onCompute('exit 7', { SHOAL_STATUS_QUEUE_URL: 'http://127.0.0.1:1/topics/status' });

    expect(machine.log).not.toContain('status:publish [Authorization');
    expect(machine.reports).toHaveLength(1);
  });
});
