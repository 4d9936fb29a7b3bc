/** The agent as a program: wires the adapters, listens for signals, runs until the machine's life ends. */
import { type AgentPorts, runAgent } from './agent.ts';
import { systemClock } from './clock.ts';
import { parseAgentConfig } from './config.ts';
import { lateBucket, lateCredentials } from './late-ports.ts';
import { Lifecycle } from './lifecycle.ts';
import { createJsonLog, messageOf } from './log.ts';
import { watchNotices } from './notice-watch.ts';
import { noticesFor } from './notices.ts';
import { withReadyFile } from './ready-file.ts';
import { runAsProgram } from './run-as-program.ts';
import { openServices } from './services.ts';

void runAsProgram(async () => {
  const config = parseAgentConfig();
  const { instanceId, fleet } = config;
  const clock = systemClock;
  const log = createJsonLog((line) => process.stdout.write(line), clock, { fleet, instanceId });
  const { queues, status, openBucket } = await openServices(config, clock, (error) =>
    log.warn('leases could not be renewed', { reason: messageOf(error) }),
  );
  const ports: AgentPorts = {
    queues,
    status: withReadyFile(status, config.workDir),
    ...lateBucket(openBucket),
    credentials: lateCredentials(config, clock),
    clock,
    random: Math.random,
    log,
  };
  const lifecycle = new Lifecycle();
  const source = noticesFor(config, clock);
  // From boot on: the first answer may take minutes.
  const notices = source && watchNotices(source, { lifecycle, clock, random: Math.random, log });
  const finished = runAgent(config, ports, lifecycle).finally(() => notices?.end());
  return { lifecycle, finished };
});
