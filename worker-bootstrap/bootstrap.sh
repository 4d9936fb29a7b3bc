#!/usr/bin/env bash
# Prepares a machine and runs the agent on it, until the agent ends or the machine's lifetime is over.
#
# The agent is a child, never this process itself: whatever becomes of the agent (kill -9 included), the process groups
# of its tasks are ended, what it left behind is removed, and the machine is shut down.
#
#   SHOAL_WORK_DIR                 an absolute path; everything lies below it
#   SHOAL_AGENT_URL                s3:// (with the AWS CLI and the machine's own role), https:// or file:///, one file
#   SHOAL_SERVICES, SHOAL_BUCKET   optional: on gcp and azure, the bucket's https:// addresses are asked with the machine's token
#   SHOAL_METADATA_URL             optional: where that token is to be had, if not where it always is
#   SHOAL_AGENT_SHA256             its hash in hex; nothing else is run
#   SHOAL_MAX_LIFETIME_SECONDS     enforced here too, should the agent fail to
#   SHOAL_GRACE_SECONDS            optional, 30: what the agent gets between SIGTERM and SIGKILL
#   SHOAL_LIFETIME_MARGIN_SECONDS  optional, 60: how much later than the agent this script ends its life
#   SHOAL_READY_DEADLINE_SECONDS   optional: an agent that has not written `ready` to the work folder by then is ended
#   SHOAL_TASK_USER                optional: commands run as this user, made if need be; only root can see to it
#   SHOAL_NODE                     optional: the Node to use, 22 or later; else the first such one on the PATH
#   SHOAL_NODE_URL                 optional: where to fetch a Node if there is none, as nodejs.org packs it
#   SHOAL_NODE_SHA256              its hash in hex; nothing else is unpacked
#   SHOAL_SHUTDOWN_COMMAND         optional: run at the very end, on a real machine "shutdown -h now"
#
# shellcheck disable=SC2317 # what traps call looks unreachable
set -euo pipefail

work_dir=''
agent_pid=''
interrupted=''
exit_code=1

say() { printf '%s bootstrap: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }
fail() {
  say "error: $*"
  exit 1
}

# Field 22 of /proc/PID/stat; the second field is a name that may hold blanks and brackets (proc_pid_stat(5)).
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # shellcheck disable=SC2086 # the fields are to be split
  set -- ${stat##*) }
  printf '%s' "${20}"
}

# A number that belongs to a later process by now is not ours to signal. While a group has members the kernel gives its
# number to nobody else, so a leader that is merely gone is no reason to spare its group.
is_ours() {
  local recorded now
  recorded=$(<"$1") || return 1
  now=$(start_time "${1##*/}")
  [[ -z $recorded || -z $now || $recorded == "$now" ]]
}

group_files() {
  local file
  for file in "$work_dir"/groups/*; do
    if [[ -f $file && ${file##*/} =~ ^[1-9][0-9]+$ ]] && is_ours "$file"; then printf '%s\n' "$file"; fi
  done
}

signal_groups() {
  local file
  while read -r file; do
    if kill "-$1" -- "-${file##*/}" 2>/dev/null; then say "sent SIG$1 to process group ${file##*/}"; fi
  done < <(group_files)
}

any_group_left() {
  local file
  while read -r file; do
    if kill -0 -- "-${file##*/}" 2>/dev/null; then return 0; fi
  done < <(group_files)
  return 1
}

end_groups() {
  any_group_left || return 0
  signal_groups TERM
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    any_group_left || return 0
    sleep 0.1
  done
  signal_groups KILL
}

# What no record names: started in the instant before its group was recorded, or gone into a session of its own. Every
# command has folders of this machine in its environment, which its children inherit; this script and the agent have not.
end_strays() {
  local environment pid
  while read -r environment; do
    pid=${environment#/proc/}
    pid=${pid%/environ}
    if kill -KILL "$pid" 2>/dev/null; then say "sent SIGKILL to process $pid, which no group's record names"; fi
  done < <(grep -lsF -- "=$work_dir/" /proc/[1-9]*/environ)
}

# Whatever ended this script, in this order: the agent, its tasks, its files, the machine.
on_exit() {
  trap '' TERM INT HUP
  set +e
  if [[ -n $agent_pid ]]; then kill -KILL "$agent_pid" 2>/dev/null; fi
  if [[ -n $work_dir ]]; then
    end_groups
    end_strays
    rm -rf -- "${work_dir:?}"/{groups,tasks,checkouts,agent.mjs,node,node.tar}
    printf '%s\n' "$exit_code" >"$work_dir/ended"
  fi
  say "ended with exit code $exit_code"
  if [[ -n ${SHOAL_SHUTDOWN_COMMAND:-} ]]; then
    say 'shutting down'
    /bin/sh -c "$SHOAL_SHUTDOWN_COMMAND"
  fi
}

# A signal that comes before the agent runs ends the script, and the trap on EXIT does the rest. `$!` because a signal
# may come between the start of the agent and the assignment of its number.
forward() {
  say "received SIG$1"
  interrupted=yes
  agent_pid=${agent_pid:-${!:-}}
  [[ -n $agent_pid ]] || exit 1
  kill "-$1" "$agent_pid" 2>/dev/null || true
}

check_settings() {
  local name
  for name in SHOAL_WORK_DIR SHOAL_AGENT_URL SHOAL_AGENT_SHA256 SHOAL_MAX_LIFETIME_SECONDS; do
    [[ -n ${!name:-} ]] || fail "$name is not set"
  done
  [[ $SHOAL_WORK_DIR == /?* ]] || fail 'SHOAL_WORK_DIR must be an absolute path'
  command -v git >/dev/null || fail 'there is no git on this machine'
}

# Commands run as a user of their own: nothing that is the agent's can be read by it, and nothing in the work folder but
# what the agent hands over. The agent, which starts them, stays root.
prepare_task_user() {
  if [[ -z ${SHOAL_TASK_USER:-} || $SHOAL_TASK_USER == root ]]; then return; fi
  if [[ $(id -u) != 0 ]]; then
    say "commands run as $(id -un): only root can start them as $SHOAL_TASK_USER"
    return
  fi
  if ! id "$SHOAL_TASK_USER" >/dev/null 2>&1; then
    say "making the user $SHOAL_TASK_USER"
    useradd --system --no-create-home --shell /sbin/nologin "$SHOAL_TASK_USER" || fail "there is no user $SHOAL_TASK_USER"
  fi
  SHOAL_TASK_UID=$(id -u "$SHOAL_TASK_USER")
  SHOAL_TASK_GID=$(id -g "$SHOAL_TASK_USER")
  export SHOAL_TASK_UID SHOAL_TASK_GID
  # To be passed through, not to be listed.
  chmod 711 "$work_dir" "$work_dir"/{tasks,checkouts}
  chmod 700 "$work_dir/groups"
  block_metadata "$SHOAL_TASK_UID"
}

# From 169.254.169.254 (Instance Metadata Service) come the credentials of the machine's role. Compute Engine answers names
# (DNS) at that address too.
block_metadata() {
  if block_by_iptables "$1" || block_by_nft "$1"; then
    say 'the metadata service is blocked for commands'
  else
    say 'warning: the metadata service could not be blocked for commands: neither iptables nor nft does it'
  fi
}

# A machine of somebody's own keeps its rules from one start to the next: one that is there is not made again.
reject() {
  "$1" -w -C OUTPUT "${@:2}" -j REJECT 2>/dev/null || "$1" -w -I OUTPUT "${@:2}" -j REJECT
}

block_by_iptables() {
  command -v iptables >/dev/null || return 1
  reject iptables -d 169.254.169.254 -p tcp ! --dport 53 -m owner --uid-owner "$1" || return 1
  if command -v ip6tables >/dev/null; then
    reject ip6tables -d fd00:ec2::254 -m owner --uid-owner "$1" ||
      say 'warning: the metadata service could not be blocked over IPv6'
  fi
}

block_by_nft() {
  command -v nft >/dev/null || return 1
  nft -f - <<END
table inet shoal
delete table inet shoal
table inet shoal {
  chain output {
    type filter hook output priority 0;
    ip daddr 169.254.169.254 tcp dport != 53 meta skuid $1 reject
    ip6 daddr fd00:ec2::254 meta skuid $1 reject
  }
}
END
}

# Whether a Node runs here and is new enough; otherwise `why` says what is wrong with it.
is_suitable() {
  local version
  version=$("$1" --version 2>/dev/null) || {
    why="$1 is not a Node that runs here"
    return 1
  }
  version=${version#v}
  [[ ${version%%.*} =~ ^[0-9]+$ && ${version%%.*} -ge 22 ]] || {
    why="$1 is version $version, Node 22 or later is needed"
    return 1
  }
  say "using $1, version $version"
}

# The one it is told to use; one of the distribution, under its plain name or that of its version; one from the bucket.
find_node() {
  local name why='there is no node on this machine: install Node 22 or later, or set SHOAL_NODE'
  if [[ -n ${SHOAL_NODE:-} ]]; then
    node=$SHOAL_NODE
    is_suitable "$node" || fail "$why"
    return
  fi
  for name in node node-24 node-22 nodejs; do
    node=$(command -v "$name") || continue
    if is_suitable "$node"; then return; fi
  done
  [[ -n ${SHOAL_NODE_URL:-} ]] || fail "$why"
  fetch Node "$SHOAL_NODE_URL" "${SHOAL_NODE_SHA256:-}" "$work_dir/node.tar"
  say 'unpacking Node'
  mkdir -p -- "$work_dir/node"
  tar -x --strip-components=1 -f "$work_dir/node.tar" -C "$work_dir/node" || fail 'Node could not be unpacked'
  rm -f -- "$work_dir/node.tar"
  node=$work_dir/node/bin/node
  is_suitable "$node" || fail "$why"
}

# The headers that the machine's own identity is proved by, for addresses in the bucket of its cloud and no others.
authorization() {
  [[ -n ${SHOAL_BUCKET:-} && $1 == "$SHOAL_BUCKET"/* ]] || return 0
  case ${SHOAL_SERVICES:-} in
  gcp)
    curl --fail --silent --show-error --max-time 10 --retry 5 --retry-connrefused --header 'Metadata-Flavor: Google' \
      "${SHOAL_METADATA_URL:-http://metadata.google.internal}/computeMetadata/v1/instance/service-accounts/default/token" |
      sed -n 's/.*"access_token" *: *"\([^"]*\)".*/Authorization: Bearer \1/p'
    ;;
  azure)
    echo 'x-ms-version: 2021-08-06' # older ones take no such token
    curl --fail --silent --show-error --max-time 20 --retry 5 --retry-connrefused --header 'Metadata: true' \
      "${SHOAL_METADATA_URL:-http://169.254.169.254}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com" |
      sed -n 's/.*"access_token" *: *"\([^"]*\)".*/Authorization: Bearer \1/p'
    ;;
  esac
}

# fetch WHAT URL SHA256 FILE
fetch() {
  local path sum
  say "fetching $1 from $2"
  case $2 in
  file:///*)
    path=${2#file://}
    # A blank in a path is %20 in its address.
    cp -- "$(printf '%b' "${path//%/\\x}")" "$4" || fail "$1 could not be copied"
    ;;
  s3://*) aws s3 cp --only-show-errors "$2" "$4" || fail "$1 could not be fetched" ;;
  https://*)
    # As a file: whoever runs on the machine may read what programs are called with.
    curl --fail --silent --show-error --location --proto '=https' --retry 5 --retry-connrefused --max-time 120 \
      --header @<(authorization "$2") --output "$4" -- "$2" || fail "$1 could not be fetched"
    ;;
  *) fail "$1 must be at a file:///, s3:// or https:// address" ;;
  esac
  if command -v sha256sum >/dev/null; then sum=$(sha256sum -- "$4"); else sum=$(shasum -a 256 -- "$4"); fi
  # A name with special characters makes sha256sum put a backslash first.
  sum=${sum#\\}
  [[ ${sum%% *} == "$3" ]] || fail "the SHA-256 of $1 is ${sum%% *}, not $3"
}

# The timers read from a pipe whose other end only this script holds, so that they end with the script, even one that was
# killed with -9.

# Ends the agent by force if need be.
end_agent() {
  local status=0
  kill -TERM "$1" 2>/dev/null || true
  read -r -t "${SHOAL_GRACE_SECONDS:-30}" || status=$?
  ((status > 128)) || return 0
  kill -KILL "$1" 2>/dev/null || true
}

# Ends an agent that did not get ready in time.
ready_timer() {
  trap '' TERM INT HUP
  local status=0
  read -r -t "$SHOAL_READY_DEADLINE_SECONDS" || status=$?
  ((status > 128)) || return 0
  [[ ! -e $work_dir/ready ]] || return 0
  say "the agent was not ready within $SHOAL_READY_DEADLINE_SECONDS s: ending it"
  end_agent "$1"
}

# Ends the agent a while after it should have ended by itself.
lifetime_timer() {
  trap '' TERM INT HUP
  local status=0 seconds
  for seconds in "$SHOAL_MAX_LIFETIME_SECONDS" "${SHOAL_LIFETIME_MARGIN_SECONDS:-60}"; do
    read -r -t "$seconds" || status=$?
    # Above 128: time is up. Else: the script is gone.
    ((status > 128)) || return 0
  done
  say 'the lifetime is over and the agent still runs: ending it'
  end_agent "$1"
}

# `wait` returns early, with a status of its own, when a signal is trapped; asked again it has the agent's.
wait_for_agent() {
  local status
  while :; do
    interrupted=''
    status=0
    wait "$agent_pid" || status=$?
    # 127: the wait before this one was not cut short after all, and had the status already.
    ((status == 127)) || exit_code=$status
    [[ -n $interrupted ]] || break
  done
  agent_pid=''
}

trap on_exit EXIT
trap 'forward TERM' TERM HUP
trap 'forward INT' INT

check_settings
say "preparing $SHOAL_WORK_DIR"
mkdir -p -- "$SHOAL_WORK_DIR"/{groups,tasks,checkouts}
rm -f -- "$SHOAL_WORK_DIR"/{ended,ready}
work_dir=$SHOAL_WORK_DIR
prepare_task_user
find_node
fetch 'the agent' "$SHOAL_AGENT_URL" "$SHOAL_AGENT_SHA256" "$work_dir/agent.mjs"

say 'starting the agent'
"$node" "$work_dir/agent.mjs" &
agent_pid=$!
exec 9> >(exec 9>&-; lifetime_timer "$agent_pid")
if [[ -n ${SHOAL_READY_DEADLINE_SECONDS:-} ]]; then exec 8> >(exec 8>&- 9>&-; ready_timer "$agent_pid"); fi
wait_for_agent
say "the agent ended with exit code $exit_code"
exit "$exit_code"
