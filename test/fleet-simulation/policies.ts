/** How others scale: what Shoal's policy is held against. All of them rent through the same chooser and are woken alike. */
import type { Policy, World } from './simulate.ts';

const openTasks = (world: World): number => world.waiting + world.inFlight;
const staying = (world: World): number => {
  let count = 0;
  for (const machine of world.machines) if (!machine.draining) count += 1;
  return count;
};

/** So many machines from the first task to the last: sized to the workload's mean load, which nobody knows before. */
export function fixedFleet(instances: number): Policy {
  return {
    name: 'fixed fleet',
    idleSeconds: null,
    plan: (world, { maxInstances }) => {
      if (world.finished) return { launch: 0, drain: world.machines.size };
      return { launch: Math.max(0, Math.min(instances, maxInstances) - world.machines.size) };
    },
  };
}

/**
 * As CloudWatch alarms with step scaling do: more machines each minute while more tasks wait than a threshold, and one by
 * one fewer after the queue was empty for some minutes.
 */
export function depthThreshold({ above = 10, growth = 0.25, quietSeconds = 300 } = {}): Policy {
  let emptySince: number | null = null;
  return {
    name: 'depth threshold',
    idleSeconds: null,
    plan: (world, { maxInstances }) => {
      const present = staying(world);
      if (world.waiting > 0) emptySince = null;
      else emptySince ??= world.now;
      if (world.waiting > above || (present === 0 && world.waiting > 0)) {
        const more = Math.max(1, Math.ceil(present * growth));
        return { launch: Math.max(0, Math.min(more, maxInstances - world.machines.size)) };
      }
      const quiet = emptySince !== null && world.now - emptySince >= quietSeconds;
      return { launch: 0, drain: quiet ? Math.max(1, Math.ceil(present * growth)) : 0 };
    },
  };
}

/**
 * So many tasks a machine, as KEDA's queue scalers and Buildkite's agent scaler count them: up at once, down to the most
 * that was wanted within the last minutes (KEDA's and the autoscaler's default is five).
 */
export function targetTracking(tasksPerInstance: number, { stabilizationSeconds = 300 } = {}): Policy {
  let wanted: { at: number; machines: number }[] = [];
  return {
    name: 'target tracking',
    idleSeconds: null,
    plan: (world, { maxInstances }) => {
      const now = Math.min(maxInstances, Math.ceil(openTasks(world) / tasksPerInstance));
      wanted = [...wanted.filter(({ at }) => at > world.now - stabilizationSeconds), { at: world.now, machines: now }];
      const desired = Math.max(...wanted.map(({ machines }) => machines));
      const present = staying(world);
      return {
        launch: Math.max(0, Math.min(now - present, maxInstances - world.machines.size)),
        drain: Math.max(0, present - desired),
      };
    },
  };
}

/** A machine for each task, which ends with it. */
export function machinePerTask(): Policy {
  return {
    name: 'machine per task',
    idleSeconds: 0,
    singleUse: true,
    plan: (world, { maxInstances }) => {
      let free = 0;
      for (const machine of world.machines) if (!machine.draining && machine.running.size === 0) free += 1;
      return { launch: Math.max(0, Math.min(world.waiting - free, maxInstances - world.machines.size)) };
    },
  };
}
