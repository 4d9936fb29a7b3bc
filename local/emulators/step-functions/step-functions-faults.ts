/** The faults of Step Functions in its own words ("Common errors" of its API reference). */
import { lostResponse, unavailable } from '../faults/json-injections.ts';
import { type Injections, refusal } from '../faults/with-faults.ts';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonCall } from '../protocol/json-protocol.ts';

export const stepFunctionsInjections: Injections<JsonCall, object> = {
  throttle: refusal(() => new AwsError('ThrottlingException', 'Rate exceeded')),
  unavailable: unavailable('InternalFailure'),
  'lost-response': lostResponse('InternalFailure'),
};
