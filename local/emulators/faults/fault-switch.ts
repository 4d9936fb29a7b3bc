/** The switch: `GET`, `PUT` and `DELETE` of the rules over HTTP, at any of the services. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { z } from 'zod';
import { readBody } from '../protocol/request-body.ts';
import { type FaultRule, faultRulesSchema } from './fault-rule.ts';
import type { Faults } from './faults.ts';

/** No bucket can have this name, and no other service has paths. */
export const FAULTS_PATH = '/_shoal/faults';

export const faultSwitch =
  (faults: Faults): RequestListener =>
  (request, response) =>
    void answer(faults, request, response);

async function answer(faults: Faults, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (statusCode: number, body: object): void => {
    response.writeHead(statusCode, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  };
  const body = await readBody(request);
  switch (request.method) {
    case 'PUT': {
      const read = readRules(body);
      if ('error' in read) return send(400, read);
      faults.set(read.rules);
      break;
    }
    case 'DELETE':
      faults.clear();
      break;
    case 'GET':
      break;
    default:
      return send(405, { error: 'GET, PUT or DELETE' });
  }
  send(200, { rules: faults.report() });
}

function readRules(body: Buffer): { rules: FaultRule[] } | { error: string } {
  try {
    const parsed = faultRulesSchema.safeParse(JSON.parse(body.toString('utf8')));
    return parsed.success ? { rules: parsed.data } : { error: z.prettifyError(parsed.error) };
  } catch {
    return { error: 'the body is not JSON; it should be a list of rules' };
  }
}
