/**
 * The quotas of vCPUs that EC2 launches within, for an account in a region: one of spot and one of on-demand machines for each
 * family of types ("Amazon EC2 instance type quotas", Amazon EC2 Instance Types; codes as in its links).
 */
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  type ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import type { Market } from '../../core/offer.ts';
import { awsCodeOf } from './aws-errors.ts';

/** By its code. None for what cannot be had so, or is sold by other means. */
type QuotaCodes = Readonly<Partial<Record<Market, string>>>;

/** A, C, D, H, I, M, R, T and Z. */
const STANDARD: QuotaCodes = { spot: 'L-34B43A08', 'on-demand': 'L-1216C47A' };
const GRAPHICS: QuotaCodes = { spot: 'L-3819A6DF', 'on-demand': 'L-DB2E81BA' };

/** By the letters that a type begins with: all of them, for `dl1` is no D and `inf2` no I. */
const FAMILIES: Readonly<Record<string, QuotaCodes>> = {
  dl: { spot: 'L-85EED4F7', 'on-demand': 'L-6E869C2A' },
  f: { spot: 'L-88CF9481', 'on-demand': 'L-74FC7D96' },
  g: GRAPHICS,
  gr: GRAPHICS,
  vt: GRAPHICS,
  hpc: { 'on-demand': 'L-F7808C92' },
  inf: { spot: 'L-B5D1601B', 'on-demand': 'L-1945791B' },
  p: { spot: 'L-7212CCBC', 'on-demand': 'L-417A185B' },
  trn: { spot: 'L-6B0D517C', 'on-demand': 'L-2C3B7624' },
  u: { 'on-demand': 'L-43DA4232' },
  x: { spot: 'L-E3A00192', 'on-demand': 'L-7295265B' },
};
const FROM_P5: QuotaCodes = { spot: 'L-C4BD4855', 'on-demand': 'L-417A185B' };

/** The code of the quota that a machine counts against. */
export function ec2QuotaOf(instanceType: string, market: Market): string | undefined {
  const [, letters = '', generation] = /^([a-z]+)(\d*)/.exec(instanceType) ?? [];
  const codes = letters === 'p' && Number(generation) >= 5 ? FROM_P5 : (FAMILIES[letters] ?? STANDARD);
  return codes[market];
}

export interface ServiceQuota {
  readonly name: string;
  readonly value: number;
}

/**
 * The value that holds for the account, or AWS's default where none was ever applied ("GetServiceQuota",
 * "GetAWSDefaultServiceQuota").
 *
 * @returns `undefined` for what Service Quotas does not know in this region
 * @throws PermanentError when it may not be read
 */
export async function readServiceQuota(
  client: ServiceQuotasClient,
  ServiceCode: string,
  QuotaCode: string,
): Promise<ServiceQuota | undefined> {
  const which = { ServiceCode, QuotaCode };
  const applied = await unlessUnknown(client.send(new GetServiceQuotaCommand(which)));
  // An applied quota may come without its value, and with why ("ServiceQuota", ErrorReason).
  const known =
    applied?.Quota?.Value === undefined
      ? await unlessUnknown(client.send(new GetAWSDefaultServiceQuotaCommand(which)))
      : applied;
  const { Value, QuotaName = QuotaCode } = known?.Quota ?? {};
  return Value === undefined ? undefined : { name: QuotaName, value: Value };
}

const unlessUnknown = <Answer>(asked: Promise<Answer>): Promise<Answer | undefined> =>
  asked.catch((error: unknown) => {
    if (awsCodeOf(error) === 'NoSuchResourceException') return undefined;
    throw error;
  });
