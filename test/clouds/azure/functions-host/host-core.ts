/**
 * What the Node worker of Azure Functions gives to `@azure/functions`, the real one: the module `@azure/functions-core`, by
 * which functions register themselves, and the invocations, in the words of the host's protocol ("FunctionRpc.proto",
 * Azure/azure-functions-language-worker-protobuf).
 */
import { randomUUID } from 'node:crypto';

export interface Binding {
  readonly type: string;
  readonly name: string;
  readonly direction: string;
  readonly queueName?: string;
  readonly connection?: string;
  readonly cardinality?: string;
  readonly dataType?: string;
  readonly schedule?: string;
}

interface Metadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

/** One of the shapes of `TypedData`. */
export type TypedData =
  | { readonly json: string }
  | { readonly collectionBytes: { readonly bytes: readonly Uint8Array[] } }
  | { readonly collectionString: { readonly string: readonly string[] } };

interface InvocationModel {
  getArguments(): Promise<{ readonly context: unknown; readonly inputs: readonly unknown[] }>;
  invokeFunction(context: unknown, inputs: readonly unknown[], handler: unknown): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<unknown>;
}

interface ProgrammingModel {
  getInvocationModel(context: object): InvocationModel;
}

export interface HostedFunction {
  readonly name: string;
  readonly trigger: Binding;
  /** @throws what the function throws */
  invoke(data: TypedData): Promise<void>;
}

export class HostCore {
  readonly functions: HostedFunction[] = [];
  readonly #log: (level: string, text: string) => void;
  #model: ProgrammingModel | undefined;

  constructor(log: (level: string, text: string) => void) {
    this.#log = log;
  }

  /** The module, as the worker hands it to `require`. */
  get module(): object {
    const log = (level: string, category: string, text: string): void => {
      if (category === 'user') this.#log(level, text);
    };
    return {
      version: '1.0.0',
      hostVersion: '4.1050.0',
      workerVersion: '3.13.0',
      Disposable: class {
        dispose(): void {}
      },
      registerFunction: (metadata: Metadata, handler: unknown) => {
        this.functions.push(this.#hosted(metadata, handler));
        return { dispose: () => undefined };
      },
      registerHook: () => ({ dispose: () => undefined }),
      setProgrammingModel: (model: ProgrammingModel) => {
        this.#model = model;
      },
      getProgrammingModel: () => this.#model,
      log,
    };
  }

  #hosted(metadata: Metadata, handler: unknown): HostedFunction {
    const trigger = Object.values(metadata.bindings).find(({ type }) => /trigger$/i.test(type));
    if (!trigger) throw new Error(`${metadata.name} has no trigger`);
    return {
      name: metadata.name,
      trigger,
      invoke: async (data) => {
        if (!this.#model) throw new Error('no programming model was set');
        const invocationId = randomUUID();
        const request = { invocationId, inputData: [{ name: trigger.name, data }], triggerMetadata: {} };
        const { log } = this.module as { log: unknown }; // made above
        const invocation = this.#model.getInvocationModel({ invocationId, metadata, request, state: undefined, log });
        const { context, inputs } = await invocation.getArguments();
        const result = await invocation.invokeFunction(context, inputs, handler);
        await invocation.getResponse(context, result);
      },
    };
  }
}
