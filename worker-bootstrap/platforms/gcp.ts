/**
 * Compute Engine: the metadata server says which machine it is, and gives it the token of its service account ("About VM
 * metadata"). The id is the one that `adapters/gcp/gce-instance-id.ts` reads. A token goes to curl as a file: whoever runs
 * on the machine may read what programs are called with.
 */
import { DEBIAN_INSTALL } from './debian.ts';
import { type Platform, shell } from './platform.ts';

export const GCP: Platform = {
  // A value of metadata may have 256 KB.
  maxBytes: 8_192,

  identify: shell(String.raw`meta() {
  curl -fsS -m 10 --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' \
    "\${SHOAL_METADATA_URL:-http://metadata.google.internal}/computeMetadata/v1/instance/$1"
}
bearer() {
  [[ $1 != https://* ]] || meta service-accounts/default/token |
    sed -n 's/.*"access_token" *: *"\([^"]*\)".*/Authorization: Bearer \1/p'
}
if [[ -z \${SHOAL_INSTANCE_ID:-} ]]; then
  zone=$(meta zone)
  name=$(meta name)
  SHOAL_INSTANCE_ID=\${zone##*/}.\${name:-$(hostname)}
fi`),

  report: shell(String.raw`curl -fsS -m 60 --retry 5 --retry-connrefused -o /dev/null \
    -H @<(bearer "$SHOAL_STATUS_QUEUE_URL") -H 'Content-Type: application/json' \
    -d '{"messages":[{"data":"'"$(base64 -w0 <<<"$body")"'"}]}' "$SHOAL_STATUS_QUEUE_URL:publish"`),

  install: DEBIAN_INSTALL,

  fetch: '"$SHOAL_BUCKET"/*) curl -fsS --retry 5 --retry-connrefused -m 120 -H @<(bearer "$url") -o "$1" -- "$url" ;;',
};
