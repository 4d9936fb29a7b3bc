/** AWS STS in its query protocol, as far as identities need it. */
import type { Clock } from '../../../core/ports.ts';
import type { Recorded, Reply } from '../recording-server.ts';

export const AWS_ACCOUNT = '123456789012';

/** "GetWebIdentityToken", "AssumeRoleWithWebIdentity" and "GetCallerIdentity", AWS STS API Reference: response elements. */
export const stsAnswers =
  (clock: Clock, { lifeSeconds = 3_600 }: { lifeSeconds?: number } = {}) =>
  ({ form }: Recorded): Reply | undefined => {
    const Expiration = new Date(clock.now().getTime() + lifeSeconds * 1_000).toISOString();
    const signed = `header.${form['Audience.member.1']}.signature`;
    const contents: Readonly<Record<string, string>> = {
      GetWebIdentityToken: `<WebIdentityToken>${signed}</WebIdentityToken><Expiration>${Expiration}</Expiration>`,
      AssumeRoleWithWebIdentity: `<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret-of-the-role</SecretAccessKey><SessionToken>session-of-the-role</SessionToken><Expiration>${Expiration}</Expiration></Credentials>`,
      GetCallerIdentity: `<Arn>arn:aws:sts::${AWS_ACCOUNT}:assumed-role/operator/alice</Arn><UserId>AROA:alice</UserId><Account>${AWS_ACCOUNT}</Account>`,
    };
    const action = form['Action'] ?? '';
    const content = contents[action];
    return content === undefined ? undefined : { headers: XML, body: answer(action, content) };
  };

const XML = { 'content-type': 'text/xml' };

const answer = (action: string, content: string): string =>
  `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${content}</${action}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></${action}Response>`;

/** An error as the query protocol tells it ("Common errors"). */
export const stsFailure = (code: string, status = 403, message = 'as told'): Reply => ({
  status,
  headers: XML,
  body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`,
});
