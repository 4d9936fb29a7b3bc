/**
 * The user data of a machine: a script that root runs at the first boot. It fetches `bootstrap.sh`, runs it if its hash
 * is right, and shuts the machine down when it ends, whatever becomes of it. A machine that never got
 * ready says why, with the end of its log, on the status queue.
 */
import { PermanentError } from '../core/errors.ts';
import { AWS } from './platforms/aws.ts';
import { type Platform, shell } from './platforms/platform.ts';

export interface UserData {
  /** Of bootstrap.sh: in the cloud's bucket (fetched with the machine's own identity) or `https://`. */
  readonly url: string;
  /** In hex. */
  readonly sha256: string;
  /** For bootstrap.sh and the agent. No secret belongs here: every command on the machine may read its user data. */
  readonly environment: Readonly<Record<string, string>>;
  /** EC2's, unless told otherwise. */
  readonly platform?: Platform;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @throws PermanentError for a name that no variable can have, a value with NUL, or more than fits */
export function renderUserData({ url, sha256, environment, platform = AWS }: UserData): string {
  const variables = Object.entries(environment).map(([name, value]) => {
    if (!NAME.test(name)) throw new PermanentError(`"${name}" is no name of an environment variable`);
    return `export ${name}=${quote(value)}`;
  });
  const fetched = `url=${quote(url)} sha256=${quote(sha256)}`;
  const script = ['#!/bin/bash', ...variables, fetched, stubFor(platform)].join('\n');
  const bytes = Buffer.byteLength(script);
  if (bytes > platform.maxBytes) {
    throw new PermanentError(`the user data has ${bytes} bytes, more than ${platform.maxBytes}`, {
      context: { bytes },
    });
  }
  return script;
}

/** In single quotes the shell takes everything for itself; only a single quote ends them. */
function quote(text: string): string {
  if (text.includes('\0')) throw new PermanentError('no environment can hold NUL');
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * What it needs beyond a shell: what the platform's pieces call, and curl. `shutdown -h +…` at the start is the machine's
 * own end of life, should everything after it fail.
 */
const stubFor = ({ identify, report, install, fetch, leave = ':' }: Platform): string =>
  shell(String.raw`# Shoal: see worker-bootstrap/user-data.ts
set -u
: "\${SHOAL_WORK_DIR:=/var/lib/shoal}" "\${SHOAL_TASK_USER:=shoal-task}" "\${SHOAL_LOG:=/var/log/shoal.log}"
${identify}
off=\${SHOAL_SHUTDOWN_COMMAND:-shutdown -h now}
unset SHOAL_SHUTDOWN_COMMAND # this script does it, after bootstrap.sh
export SHOAL_WORK_DIR SHOAL_TASK_USER SHOAL_INSTANCE_ID HOME=$SHOAL_WORK_DIR
(umask 077 && : >>"$SHOAL_LOG") # not for commands to read
exec > >(tee -a "$SHOAL_LOG") 2>&1
step='the machine was ended'
report() {
  local log at body
  log=$(tail -c 1500 "$SHOAL_LOG" | LC_ALL=C tr -cd '\n -~' | sed 's/[\\"]/\\&/g' | awk '{ printf "%s\\n", $0 }')
  at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  body='{"v":1,"source":"'$SHOAL_INSTANCE_ID'","events":[{"kind":"instance","instanceId":"'$SHOAL_INSTANCE_ID'",'
  body+='"fleet":"'$SHOAL_FLEET'","state":"FAILED","reason":"'"$step: $log"'","at":"'$at'"}]}'
  ${report} || {
    echo "not reported: $body"
    return 1
  }
}
finish() {
  trap '' TERM INT HUP
  sleep 0.2 # the log is written by another process
  # One that cannot tell of itself stays, switched off, to be found by who looks for it.
  if [[ -e $SHOAL_WORK_DIR/ready ]] || report; then
    ${leave}
  fi
  sh -c "$off"
}
trap finish EXIT
pid=''
ended() {
  trap '' TERM INT HUP
  if [[ -n $pid ]]; then kill "$pid" && wait "$pid"; fi
  exit 143
}
trap ended TERM INT HUP
fail() {
  step=$1
  exit 1
}
life=\${SHOAL_MAX_LIFETIME_SECONDS:-86400}
shutdown -h "+$((\${life%.*} / 60 + 5))" || echo 'the shutdown at the end of life could not be scheduled'
mkdir -p "$SHOAL_WORK_DIR" || fail 'no work folder could be made'
rm -f "$SHOAL_WORK_DIR/ready"

${install}

get() {
  case $url in
  ${fetch}
  file:///*) cp -- "\${url#file://}" "$1" ;;
  *) curl -fsSL --proto =https --retry 5 --retry-connrefused -m 120 -o "$1" -- "$url" ;;
  esac
}
boot=$(mktemp)
get "$boot" || { sleep 5 && get "$boot"; } || fail 'bootstrap.sh could not be fetched'
echo "$sha256  $boot" | sha256sum --check --status || fail 'bootstrap.sh is not the one of that hash'
bash "$boot" &
pid=$!
wait "$pid" || fail "bootstrap.sh ended with $?"
step='bootstrap.sh ended before the machine was ready'
`);
