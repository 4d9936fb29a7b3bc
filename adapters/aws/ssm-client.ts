/** The client of SSM, apart from the others for the agent's sake. */
import { SSMClient } from '@aws-sdk/client-ssm';
import { withShoalErrors } from './aws-errors.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from './client-settings.ts';

export const createSsmClient = (overrides: ClientOverrides = {}): SSMClient =>
  withShoalErrors(new SSMClient(clientSettings(REQUEST_MS, overrides)));
