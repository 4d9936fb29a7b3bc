import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { AgentHarness } from '../testing/agent-harness.ts';

const countWords = `
let input = '';
process.stdin.on('data', (chunk) => { input += chunk; });
process.stdin.on('end', () => {
  console.log('counting');
  console.log(JSON.stringify({ words: JSON.parse(input).text.split(' ').length }));
});
`;

function codeOf(
  files: Record<string, string>,
  run: string[],
  more: { setup?: string; env?: Record<string, string> } = {},
) {
  const repository = gitRepository();
  const commit = repository.commit(files);
  return { repository: repository.url, commit, setup: more.setup ?? null, run, env: more.env ?? {} };
}

describe('the agent', () => {
  it('runs a task of a repository to its result, and ends when nothing more comes', async () => {
    const agent = new AgentHarness();
    await agent.send({ code: codeOf({ 'count.js': countWords }, ['node', 'count.js']), timeoutSeconds: 30 });

    const reason = await agent.run();

    expect(reason).toBe('idle');
    expect(agent.taskEvents).toMatchObject([{ kind: 'completed', attempt: 1, result: { json: '{"words":6}' } }]);
    expect(agent.instanceReports.map(({ state, reason }) => [state, reason])).toEqual([
      ['READY', null],
      ['DRAINING', 'idle'],
      ['TERMINATED', 'idle'],
    ]);
    expect(agent.depth).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
  });
});
