import { ExecutionError, StateMachine } from 'aws-local-stepfunctions';
import type { JsonObject, JsonValue } from './json-value.ts';

/**
 * Evaluates a payload template (`"name.$": "$.path"`, intrinsics, the context object) by a Pass state of the interpreter.
 *
 * @throws {Error} `States.Runtime` for a path that leads nowhere
 */
export async function evaluateTemplate(
  template: JsonObject,
  input: JsonValue,
  context: JsonObject,
): Promise<JsonValue> {
  const Parameters = input ? template : inlineInput(template, input);
  const definition = { StartAt: 'Evaluate', States: { Evaluate: { Type: 'Pass', Parameters, End: true } } } as const;
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  try {
    return await machine.run(input, { context }).result;
  } catch (error) {
    throw error instanceof ExecutionError ? error.cause : error;
  }
}

/** The interpreter takes `$` for a path that leads nowhere when the input is 0, false, empty or null. */
function inlineInput(template: JsonObject, input: JsonValue): JsonObject {
  const members = Object.entries(template).map(([name, value]): [string, JsonValue] => {
    if (name.endsWith('.$') && value === '$') return [name.slice(0, -2), input];
    const isNested = typeof value === 'object' && value !== null && !Array.isArray(value);
    return [name, isNested ? inlineInput(value, input) : value];
  });
  return Object.fromEntries(members);
}
