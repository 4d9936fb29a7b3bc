/** How a function wakes the scaler. */
import { createLambdaClient } from '../adapters/aws/clients.ts';
import { LambdaWaker } from '../adapters/aws/lambda-waker.ts';
import type { Waker } from '../core/ports.ts';
import { logger } from './telemetry.ts';

export const scalerWaker = (functionName: string): Waker =>
  new LambdaWaker({
    client: createLambdaClient(),
    functionName,
    onFailure: (error) => logger.warn('the scaler could not be woken', { error: error as Error }),
  });
