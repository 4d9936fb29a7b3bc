import { describe, expect, it } from 'vitest';
import { PermanentError } from '../../core/errors.ts';
import { failed, holdsCredential, ok, told, withoutSecrets } from './finding.ts';

const SECRETS = [
  'AKIAIOSFODNN7EXAMPLE',
  'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl',
  'ya29.a0AfH6SMBx-secret',
  '-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----',
  'Endpoint=sb://x/;SharedAccessKey=c2VjcmV0LXNlY3JldA==',
];

describe('what looks like a credential', () => {
  it.each(SECRETS)('is not shown: %s', (secret) => {
    const shown = JSON.stringify(withoutSecrets(failed('link', `it said ${secret}!`, `send ${secret}`)));

    expect(holdsCredential(secret)).toBe(true);
    expect(shown).toContain('(hidden)');
    expect(shown).not.toContain(secret.slice(-12));
  });

  it.each([
    'arn:aws:iam::123456789012:role/shoal-dev-scaler-us-east-1-lambdaRole',
    'projects/123/locations/global/workloadIdentityPools/shoal/providers/aws',
    '5a1c6b3e-0f1f-4c39-8f0e-6b2d1d5e7a10',
    'https://sqs.us-east-1.amazonaws.com/123456789012/shoal-status-dev',
  ])('is not a name or an address: %s', (text) => {
    expect(holdsCredential(text)).toBe(false);
    expect(withoutSecrets(ok('link', text)).message).toBe(text);
  });
});

describe('an error', () => {
  it('of ours is told in its own words, any other with its name and in one short line', () => {
    expect(told(new PermanentError('the role is missing'))).toBe('the role is missing');
    expect(told(new TypeError('a\n  b'))).toBe('TypeError: a b');
    expect(told(new Error('x'.repeat(9_999))).length).toBeLessThanOrEqual(400);
    expect(told('thrown')).toBe('an unknown error');
  });
});
