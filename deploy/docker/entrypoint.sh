#!/usr/bin/env bash
# Runs the agent that lies beside this script, whatever address the environment has of another one: an image is a version.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
sha256=$(cut -d' ' -f1 "$here/agent.sha256")
export SHOAL_AGENT_URL="file://$here/agent.mjs" SHOAL_AGENT_SHA256="$sha256"
exec bash "$here/bootstrap.sh"
