/** The faults of S3 in its own words ("Error responses", "Conditional writes"). */
import type { Fault } from '../faults/faults.ts';
import { always, type Handler, type Injections, ResponseLost, refusal } from '../faults/with-faults.ts';
import type { S3Call } from './s3-call.ts';
import { preconditionFailed, S3Error } from './s3-error.ts';

const internalError = (): S3Error =>
  new S3Error(500, 'InternalError', 'We encountered an internal error. Please try again.');
const isConditional = ({ method, headers }: S3Call): boolean =>
  method === 'PUT' && (headers['if-match'] !== undefined || headers['if-none-match'] !== undefined);

export const s3Injections: Injections<S3Call, void> = {
  throttle: refusal(() => new S3Error(503, 'SlowDown', 'Please reduce your request rate.')),
  unavailable: refusal((_call, { nth }) =>
    nth % 2 === 1 ? new S3Error(503, 'ServiceUnavailable', 'Service is unable to handle request.') : internalError(),
  ),
  /** Two conditional writes at once: one of them met the other, or came after it. */
  conflict: refusal(
    (_call, { nth }) => (nth % 2 === 1 ? conditionalRequestConflict() : preconditionFailed()),
    isConditional,
  ),
  'lost-response': { applies: always, inject: loseResponse },
};

const conditionalRequestConflict = (): S3Error =>
  new S3Error(
    409,
    'ConditionalRequestConflict',
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  );

/**
 * The handler answers when all is done: that is where its answer is lost. What it has to say of an error still goes out,
 * and an object that is read breaks off after its head.
 */
async function loseResponse(call: S3Call, next: Handler<S3Call, void>, { nth, giveBack }: Fault): Promise<void> {
  const { response } = call;
  const drops = nth % 2 === 1;
  const lost = drops ? new ResponseLost() : internalError();
  const breaksOff = drops && call.operation === 'GetObject';
  if (breaksOff) {
    response.write = () => {
      response.flushHeaders();
      response.destroy();
      return false;
    };
  } else {
    response.writeHead = () => {
      throw lost;
    };
  }
  try {
    await next(call);
  } catch (error) {
    if (!response.destroyed && error !== lost) giveBack();
    throw error;
  } finally {
    // The prototype's own are seen again.
    Reflect.deleteProperty(response, 'writeHead');
    Reflect.deleteProperty(response, 'write');
  }
}
