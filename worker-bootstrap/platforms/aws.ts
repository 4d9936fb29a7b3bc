/** Amazon Linux: the AWS CLI is part of it, and cloud-init knows which machine it is. */
import { type Platform, shell } from './platform.ts';

export const AWS: Platform = {
  maxBytes: 4_096,

  identify: shell(
    String.raw`: "\${SHOAL_INSTANCE_ID:=$(cat /var/lib/cloud/data/instance-id 2>/dev/null || hostname)}"`,
  ),

  report: 'timeout 60 aws sqs send-message --queue-url "$SHOAL_STATUS_QUEUE_URL" --message-body "$body" >/dev/null',

  install: shell(String.raw`need=()
command -v git >/dev/null || need+=(git-core)
[[ -n \${SHOAL_NODE:-}\${SHOAL_NODE_URL:-} ]] || command -v node >/dev/null || need+=(nodejs22)
command -v iptables >/dev/null || command -v nft >/dev/null || need+=(iptables-nft)
if ((\${#need[@]})) && command -v dnf >/dev/null; then
  dnf install -y -q "\${need[@]}" || fail "\${need[*]} could not be installed"
fi`),

  fetch: 's3://*) aws s3 cp --only-show-errors "$url" "$1" ;;',
};
