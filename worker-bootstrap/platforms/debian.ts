/** Debian 12, as GCP and Azure have it: what a machine needs beyond it. Its own Node is older than the agent takes. */
import { shell } from './platform.ts';

/** As nodejs.org packs it, by the names of `uname -m`; the SHA-256 as in its SHASUMS256.txt. */
export const NODE_RELEASE = {
  version: '24.11.1',
  x86_64: { arch: 'x64', sha256: '60e3b0a8500819514aca603487c254298cd776de0698d3cd08f11dba5b8289a8' },
  aarch64: { arch: 'arm64', sha256: '6b0863fb9f627bf4a6c5948dce1de4398174a2e05dbe717503d828e211ca01f0' },
} as const;
const { version, x86_64, aarch64 } = NODE_RELEASE;

/** `apt` may find the lock taken by the image's own updates; it waits. */
export const DEBIAN_INSTALL = shell(String.raw`need=()
command -v git >/dev/null || need+=(git)
command -v curl >/dev/null || need+=(curl ca-certificates)
command -v xz >/dev/null || need+=(xz-utils)
command -v iptables >/dev/null || command -v nft >/dev/null || need+=(iptables)
if ((\${#need[@]})); then
  export DEBIAN_FRONTEND=noninteractive
  apt=(apt-get -qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=120)
  { "\${apt[@]}" update && "\${apt[@]}" install -y --no-install-recommends "\${need[@]}"; } ||
    fail "\${need[*]} could not be installed"
fi
if [[ -z \${SHOAL_NODE:-}\${SHOAL_NODE_URL:-} ]]; then
  case $(uname -m) in
  aarch64) node=${aarch64.arch} SHOAL_NODE_SHA256=${aarch64.sha256} ;;
  *) node=${x86_64.arch} SHOAL_NODE_SHA256=${x86_64.sha256} ;;
  esac
  export SHOAL_NODE_SHA256 SHOAL_NODE_URL=https://nodejs.org/dist/v${version}/node-v${version}-linux-$node.tar.xz
fi`);
