/** The clients of EC2 and of AWS's price list, apart from the others: EC2's is large, and only the scaler loads it. */
import { EC2Client } from '@aws-sdk/client-ec2';
import { PricingClient } from '@aws-sdk/client-pricing';
import { withShoalErrors } from './aws-errors.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from './client-settings.ts';

/** An instant fleet is answered when its machines are launched, which takes seconds. */
const LAUNCH_MS = 20_000;

/** What it throws is not translated: of a launch, `ec2-launch-errors.ts` knows more. */
export const createEc2Client = (overrides: ClientOverrides = {}): EC2Client =>
  new EC2Client(clientSettings(LAUNCH_MS, { maxAttempts: 3, ...overrides }));

/** The price list is served from few regions ("AWS Price List Query API"), whatever region it is asked about. */
export const createPricingClient = (overrides: ClientOverrides = {}): PricingClient =>
  withShoalErrors(new PricingClient(clientSettings(REQUEST_MS, { region: 'us-east-1', ...overrides })));
