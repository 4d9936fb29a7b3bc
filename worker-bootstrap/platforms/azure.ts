/**
 * Azure: the machine is told its name at its launch, and gets tokens of its managed identity from its metadata server ("How
 * to use managed identities for Azure resources on an Azure VM to acquire an access token"). A token goes to curl as a file:
 * whoever runs on the machine may read what programs are called with.
 */
import { DEBIAN_INSTALL } from './debian.ts';
import { type Platform, shell } from './platform.ts';

export const AZURE: Platform = {
  // Custom data may have 64 KB.
  maxBytes: 8_192,

  identify: shell(String.raw`bearer() {
  [[ $2 != https://* ]] || curl -fsS -m 20 --retry 5 --retry-connrefused -H Metadata:true \
    "\${SHOAL_METADATA_URL:-http://169.254.169.254}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$1" |
    sed -n 's/.*"access_token" *: *"\([^"]*\)".*/Authorization: Bearer \1/p'
}
azure() {
  local resource=$1 url=$2
  shift 2
  curl -fsS -m 120 --retry 5 --retry-connrefused -H @<(bearer "$resource" "$url") "$@" -- "$url"
}
: "\${SHOAL_INSTANCE_ID:=$(hostname)}"`),

  report: shell(String.raw`azure https://servicebus.azure.net "$SHOAL_STATUS_QUEUE_URL/messages" \
    -o /dev/null -H 'Content-Type: application/json' --data-raw "$body"`),

  install: DEBIAN_INSTALL,

  fetch: '"$SHOAL_BUCKET"/*) azure https://storage.azure.com "$url" -H x-ms-version:2021-08-06 -o "$1" ;;',

  // A machine that is only switched off is billed on ("States and billing status of Azure Virtual Machines").
  leave: `azure https://management.azure.com "$SHOAL_MACHINE_URL" -o /dev/null -X DELETE ||
    echo 'the machine could not delete itself: it is only switched off'`,
};
