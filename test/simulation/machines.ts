/**
 * The cloud's machines: each boots, runs the real agent, and ends, as `bootstrap.sh` has it. What bootstrap.sh guards
 * (an agent that dies, that is never ready, that outlives its lifetime) is modelled here.
 */

import type { LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { runAgent } from '../../worker-bootstrap/agent/agent.ts';
import { parseAgentConfig } from '../../worker-bootstrap/agent/config.ts';
import { Lifecycle } from '../../worker-bootstrap/agent/lifecycle.ts';
import { type FakeMachine, InMemoryInstanceProvider } from '../fakes/in-memory-instance-provider.ts';
import { NO_CREDENTIALS } from '../fakes/no-credentials.ts';
import { openSimulatedWorkshop, type RunningCommand } from './commands.ts';
import { Actor } from './scheduler.ts';
import type { World } from './world.ts';

/** What bootstrap.sh gives an agent: between SIGTERM and SIGKILL, and beyond its lifetime. */
const GRACE_SECONDS = 30;
const LIFETIME_MARGIN_SECONDS = 60;
/** Between the notice and the loss of a spot machine (EC2, spot instance interruption notices). */
const NOTICE_SECONDS = 120;
/** Ends of which the provider says that it was its own doing: with notice, and without. */
const TAKEN_BACK = new Set(['taken back', 'vanished']);
/** What a lease allows for the checkout; a tenth of what agents have, so that little time is spent on waiting. */
export const SETUP_SECONDS = 60;
const LOG_NOTHING = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class Cloud extends InMemoryInstanceProvider {
  readonly #world: World;
  readonly simulated = new Map<string, Machine>();
  #listed: readonly ObservedInstance[] = [];

  constructor(world: World) {
    super({ clock: world.scheduler });
    this.#world = world;
  }

  override async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const { faults, random, promises } = this.#world;
    this.capacity = faults.happens('noCapacity') ? random.int(0, request.count - 1) : Number.POSITIVE_INFINITY;
    const outcome = await super.launch(request);
    for (const { instanceId } of outcome.launched) {
      const machine = this.machines.get(instanceId);
      if (!machine || this.simulated.has(instanceId)) continue;
      this.simulated.set(instanceId, new Machine(machine, this.#world));
      promises.onLaunched(instanceId);
    }
    return outcome;
  }

  /** Eventually consistent: now and then as of an earlier call. */
  override async list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    const { faults } = this.#world;
    const listed = await super.list(...fleets);
    if (faults.happens('stale')) return withinAMinute(this.#listed, listed, this.#world.scheduler.nowMs);
    this.#listed = listed;
    return listed;
  }

  override async terminate(instanceIds: readonly string[]): Promise<void> {
    for (const instanceId of instanceIds) {
      const machine = this.simulated.get(instanceId);
      if (machine?.isRunning) this.#world.promises.onTerminated(machine);
      machine?.end('terminated');
    }
  }
}

/** EC2 may not list a machine in its first minute; whatever is older is there. */
const withinAMinute = (
  earlier: readonly ObservedInstance[],
  now: readonly ObservedInstance[],
  nowMs: number,
): readonly ObservedInstance[] =>
  now.flatMap((each) => {
    const before = earlier.find((one) => one.instanceId === each.instanceId);
    const isYoung = nowMs - Date.parse(each.launchedAt) < 50_000;
    return before ? [before] : isYoung ? [] : [each];
  });

export class Machine {
  readonly id: string;
  readonly fleet: string;
  /** Until then nobody else may end it while it works. */
  readonly lifetimeEndsAtMs: number;
  /** By then it is gone. */
  readonly expiresAtMs: number;
  readonly commands = new Map<string, RunningCommand>();
  /** It said that it ends: what is left is to switch itself off. */
  hasSaidGoodbye = false;
  readonly #fake: FakeMachine;
  readonly #world: World;
  readonly #lifecycle: Lifecycle;
  readonly #agent: Actor;
  #isReady = false;
  #timers: (() => void)[] = [];

  constructor(fake: FakeMachine, world: World) {
    this.#fake = fake;
    this.#world = world;
    this.id = fake.launched.instanceId;
    this.fleet = fake.request.fleet;
    this.#lifecycle = new Lifecycle(() => world.scheduler.nowMs);
    this.#agent = new Actor('agent', this.id, (why) => this.#onAgentDeath(why));
    const { environment } = fake.request;
    const lifetimeSeconds = Number(environment['SHOAL_MAX_LIFETIME_SECONDS']);
    this.lifetimeEndsAtMs = Date.parse(fake.launched.launchedAt) + lifetimeSeconds * 1_000;
    this.expiresAtMs = this.lifetimeEndsAtMs + (LIFETIME_MARGIN_SECONDS + GRACE_SECONDS) * 1_000;
    this.#plan();
  }

  get isRunning(): boolean {
    return this.#fake.running;
  }

  get isBusy(): boolean {
    return this.isRunning && this.commands.size > 0;
  }

  /** It is gone, with all that runs on it. */
  end(why: string): void {
    if (!this.isRunning) return;
    this.#world.trace.add(this.id, `ends: ${why}`);
    this.#fake.running = false;
    this.#fake.takenBack = TAKEN_BACK.has(why);
    for (const cancel of this.#timers) cancel();
    this.commands.clear();
    this.#agent.retire();
  }

  #plan(): void {
    const { faults, random, trace } = this.#world;
    const bootSeconds = random.pick([random.int(5, 60), random.int(5, 60), random.int(60, 250)]);
    const settings = this.#fake.request.environment;
    if (faults.happens('neverReady')) trace.add(this.id, 'never starts its agent');
    else this.#after(bootSeconds, () => this.#start());
    // The two guards of bootstrap.sh, which starts with the machine.
    this.#after(Number(settings['SHOAL_READY_DEADLINE_SECONDS']) + random.int(5, 30), () => {
      if (!this.#isReady) this.#endAgent('never ready');
    });
    this.#after(Number(settings['SHOAL_MAX_LIFETIME_SECONDS']) + LIFETIME_MARGIN_SECONDS, () =>
      this.#endAgent('its lifetime is over'),
    );
    const soon = (): number => Math.round(random.magnitude(5, 1_800));
    if (faults.happens('interrupted')) this.#after(soon(), () => this.#interrupt());
    if (faults.happens('vanished')) this.#after(soon(), () => this.end('vanished'));
    if (faults.happens('frozen')) this.#after(soon(), () => this.#freeze());
  }

  #start(): void {
    const { scheduler, random, trace } = this.#world;
    const actor = this.#agent;
    const settings = parseAgentConfig({
      ...this.#fake.request.environment,
      SHOAL_INSTANCE_ID: this.id,
      SHOAL_WORK_DIR: '/nowhere',
      SHOAL_SETUP_SECONDS: String(SETUP_SECONDS),
    });
    const clock = {
      now: () => scheduler.now(),
      after: (milliseconds: number, callback: () => void) => scheduler.after(milliseconds, actor, callback),
    };
    const workshop = openSimulatedWorkshop({
      random,
      faults: this.#world.faults,
      onStart: (command, fate) => {
        trace.add(this.id, `starts ${command.message.taskId} attempt ${command.message.attempt} ${command.leaseId}`);
        this.commands.set(command.leaseId, command);
        this.#world.promises.onStarted(command, fate);
      },
      onEnd: ({ leaseId, message }, outcome) => {
        trace.add(this.id, `ends ${message.taskId} attempt ${message.attempt} ${leaseId}: ${outcome.kind}`);
        this.commands.delete(leaseId);
      },
      alter: this.#world.mutant?.outcome,
      onKill: () => actor.kill('its task'),
    });
    const ports = this.#world.agentPorts(actor, this);
    const { status } = ports;
    const readyStatus: typeof status = {
      publish: async (events) => {
        await status.publish(events);
        this.#isReady = true;
      },
    };
    trace.add(this.id, 'starts its agent');
    runAgent(
      settings,
      {
        ...ports,
        status: readyStatus,
        credentials: NO_CREDENTIALS,
        clock,
        random: () => random.next(),
        log: LOG_NOTHING,
      },
      this.#lifecycle,
      undefined,
      workshop,
    ).then(
      (reason) => this.#shutDown(reason),
      (error: unknown) => this.#world.fail(`the agent ${this.id} threw ${String(error)}`),
    );
  }

  #interrupt(): void {
    this.#world.trace.add(this.id, 'gets notice');
    this.#lifecycle.onSignal('SIGTERM');
    this.#after(NOTICE_SECONDS, () => this.end('taken back'));
  }

  #freeze(): void {
    const { scheduler, random, trace } = this.#world;
    const seconds = Math.round(random.magnitude(5, 900));
    trace.add(this.id, `stands still for ${seconds} s`);
    this.#agent.resumesAt = scheduler.nowMs + seconds * 1_000;
  }

  /** As bootstrap.sh does: SIGTERM, and SIGKILL after the grace. */
  #endAgent(why: string): void {
    if (!this.isRunning) return;
    this.#world.trace.add(this.id, `is ended by its bootstrap: ${why}`);
    if (this.#agent.resumesAt <= this.#world.scheduler.nowMs) this.#lifecycle.onSignal('SIGTERM');
    this.#after(GRACE_SECONDS - 2, () => this.#shutDown(why));
  }

  #onAgentDeath(why: string): void {
    const { random, trace } = this.#world;
    trace.add(this.id, `its agent dies ${why}`);
    if (random.chance(0.5)) this.end('with its agent');
    else this.#shutDown('its agent is dead');
  }

  #shutDown(why: string): void {
    this.#agent.retire();
    this.commands.clear();
    this.#after(this.#world.random.int(1, 5) / 2.5, () => this.end(why));
  }

  #after(seconds: number, run: () => void): void {
    const cancel = this.#world.scheduler.after(seconds * 1_000, null, () => {
      if (this.isRunning) run();
    });
    this.#timers.push(cancel);
  }
}
