/**
 * Refuses a definition that could not run: a transition that leads nowhere, a state that neither ends nor goes on, what
 * is not emulated. Whether it is ASL to the letter is checked when the stack is packaged.
 */
import { type Branch, type Definition, definitionSchema, type State } from './definition.ts';
import { kindOfResource } from './task-state.ts';

const knownTypes = ['Task', 'Pass', 'Wait', 'Choice', 'Map', 'Parallel', 'Succeed', 'Fail'];

/** @throws {Error} for the first fault that is found */
export function parseDefinition(text: string): Definition {
  // The interpreter gives a nested branch a context of its own, in which Execution is the branch's.
  const definition = definitionSchema.parse(JSON.parse(text.replace(/\$\$\.Execution\b/g, () => '$$.ExecutionRoot')));
  checkBranch(definition);
  return definition;
}

function checkBranch(branch: Branch): void {
  const known = new Set(Object.keys(branch.States));
  if (!known.has(branch.StartAt)) throw new Error(`StartAt names no state: ${branch.StartAt}`);
  for (const [name, state] of Object.entries(branch.States)) {
    const fault = faultOf(state) ?? missingTarget(state, known);
    if (fault !== undefined) throw new Error(`State ${name}: ${fault}`);
    for (const inner of innerBranches(state)) checkBranch(inner);
  }
}

function faultOf(state: State): string | undefined {
  if (!knownTypes.includes(state.Type)) return `there is no type ${state.Type}`;
  if (state['QueryLanguage'] === 'JSONata') return 'JSONata is not emulated';
  if (state.Type === 'Task' && kindOfResource(state.Resource) === undefined) return `not emulated: ${state.Resource}`;
  if (state.Type === 'Map' && innerBranches(state).length !== 1) return 'a Map needs an ItemProcessor';
  if (state.Type === 'Parallel' && innerBranches(state).length === 0) return 'a Parallel needs Branches';
  const isTerminal = state.Type === 'Succeed' || state.Type === 'Fail' || state['End'] === true;
  return isTerminal || targetsOf(state).length > 0 ? undefined : 'it neither ends nor goes on';
}

function innerBranches(state: State): Branch[] {
  const inner = [state.ItemProcessor, state.Iterator, ...(state.Branches ?? [])];
  return inner.filter((branch) => branch !== undefined);
}

function missingTarget(state: State, known: ReadonlySet<string>): string | undefined {
  const caught = (state.Catch ?? []).map((catcher) => catcher.Next);
  const missing = [...targetsOf(state), ...caught].find((target) => !known.has(target));
  return missing === undefined ? undefined : `there is no state ${missing}`;
}

function targetsOf(state: State): string[] {
  const chosen = (state.Choices ?? []).map((choice) => choice.Next);
  return [state.Next, state.Default, ...chosen].filter((target) => target !== undefined);
}
