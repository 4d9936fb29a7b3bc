import { text } from 'node:stream/consumers';
import { type RunningServer, serve } from './git-http-server.ts';
import type { StubFailure } from './lambda-stub.ts';

/** What SSM takes for a parameter's name (PutParameter, "Constraints"). */
const NAME = /^(?:\/[A-Za-z0-9._-]+){1,15}$/;

/** `GetParameter` of SSM Parameter Store on the loopback address, in its JSON protocol. */
export class ParameterStoreStub {
  readonly parameters = new Map<string, string>();
  /** Every request's body, as it came. */
  readonly requests: { readonly Name: string; readonly WithDecryption?: boolean }[] = [];
  /** While set, every call fails with this error. */
  failure: StubFailure | undefined;
  /** Asked for every request, beside `failure`. */
  spoil: () => StubFailure | undefined = () => undefined;
  #server: RunningServer | undefined;

  async start(): Promise<string> {
    this.#server = await serve(async (request, response) => {
      const body = JSON.parse(await text(request));
      this.requests.push(body);
      const answer = (status: number, document: object): void => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(document));
      };
      const value = this.parameters.get(body.Name);
      const failure = this.failure ?? this.spoil();
      if (request.headers['x-amz-target'] !== 'AmazonSSM.GetParameter') answer(400, { __type: 'UnknownOperation' });
      else if (failure) answer(failure.status, { __type: failure.type, message: 'as told' });
      else if (!NAME.test(body.Name)) answer(400, { __type: 'ValidationException', message: 'the name' });
      else if (value === undefined) answer(400, { __type: 'ParameterNotFound' });
      else {
        // An encrypted parameter that nobody asked to decrypt comes as ciphertext.
        const Value = body.WithDecryption ? value : 'AQICAHi';
        answer(200, { Parameter: { Name: body.Name, Type: 'SecureString', Value, Version: 1 } });
      }
    });
    return this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}
