import { S3Error } from './s3-error.ts';

/** Refuses a presigned request whose time is over, as S3 words it ("Authenticating Requests: Using Query Parameters"). */
export function checkExpiry(query: URLSearchParams, now: number): void {
  const [expires, date] = [query.get('X-Amz-Expires'), query.get('X-Amz-Date')];
  if (expires === null) return;
  // 20130524T000000Z
  const signedAt = Date.parse((date ?? '').replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const seconds = Number(expires);
  if (Number.isNaN(signedAt) || !/^\d+$/.test(expires) || seconds < 1 || seconds > 604_800) {
    throw new S3Error(400, 'AuthorizationQueryParametersError', 'X-Amz-Expires must be between 1 and 604800 seconds');
  }
  if (signedAt + seconds * 1_000 < now) throw new S3Error(403, 'AccessDenied', 'Request has expired');
}
