/** `GET /v1/fleets`, `GET /v1/fleets/{fleet}` and `GET /v1/instances`. */
import { z } from 'zod';
import { NotFoundError } from '../../core/errors.ts';
import type { Fleet } from '../../core/fleet.ts';
import { PRIORITIES } from '../../core/ids.ts';
import { hasEnded, INSTANCE_STATES, type Instance } from '../../core/instance.ts';
import { isOwn } from '../../core/own-machines.ts';
import type { FleetStore, TaskQueues } from '../../core/ports.ts';
import type { Route } from '../http/api-handler.ts';
import { limitParameter, readQuery } from '../http/query-parameters.ts';

export interface FleetPorts {
  readonly fleets: readonly Fleet[];
  readonly store: FleetStore;
  readonly queues: TaskQueues;
}

/** What `GET /v1/fleets/{fleet}` tells of the past. */
const MAX_DAYS = 31;

const countByState = (instances: readonly Instance[]): Partial<Record<Instance['state'], number>> =>
  Object.fromEntries(
    INSTANCE_STATES.map((state) => [state, instances.filter((each) => each.state === state).length] as const).filter(
      ([, count]) => count > 0,
    ),
  );

/** No launch of a machine of somebody's own was ever recorded. */
const withProvider = (instance: Instance, fleet: Fleet): Instance =>
  isOwn(fleet) ? { ...instance, provider: fleet.provider } : instance;

export function fleetRoutes({ fleets, store, queues }: FleetPorts): Record<string, Route> {
  return {
    'GET /v1/fleets': async () => {
      const states = await Promise.all(fleets.map((fleet) => store.read(fleet.name)));
      const list = fleets.map((fleet, index) => ({
        ...fleet,
        instances: countByState(states[index]?.instances ?? []),
      }));
      return { status: 200, body: { fleets: list } };
    },

    'GET /v1/fleets/{fleet}': async (request) => {
      const fleet = fleets.find((each) => each.name === request.params['fleet']);
      if (!fleet) throw new NotFoundError('there is no such fleet');
      const [{ state, instances }, days, ...depths] = await Promise.all([
        store.read(fleet.name),
        store.listDays(fleet.name, MAX_DAYS),
        ...PRIORITIES.map((priority) => queues(fleet.name, priority).depth()),
      ]);
      const depth = Object.fromEntries(PRIORITIES.map((priority, index) => [priority, depths[index]]));
      const body = {
        ...fleet,
        depth,
        instances: countByState(instances),
        intents: state.intents,
        plan: state.lastPlan,
        trouble: state.trouble ?? null,
        days,
      };
      return { status: 200, body };
    },

    'GET /v1/instances': async (request) => {
      const query = readQuery(request, {
        fleet: z.string().optional(),
        state: z.enum(INSTANCE_STATES).optional(),
        limit: limitParameter(1_000, 200),
      });
      const named = fleets.filter((fleet) => !query.fleet || fleet.name === query.fleet);
      if (named.length === 0) throw new NotFoundError('there is no such fleet');
      const wantsEnded = !query.state || hasEnded(query.state);
      const wantsLive = !query.state || !hasEnded(query.state);
      const parts = await Promise.all(
        named.map(async (fleet) => {
          const live = wantsLive ? (await store.read(fleet.name)).instances : [];
          const ended = wantsEnded ? await store.listEnded(fleet.name, query.limit) : [];
          return [...live, ...ended].map((each) => withProvider(each, fleet));
        }),
      );
      // One that ended between the two reads is in both; what was read last is true.
      const byId = new Map(parts.flat().map((instance) => [instance.instanceId, instance]));
      const instances = [...byId.values()]
        .filter((each) => !query.state || each.state === query.state)
        .slice(0, query.limit);
      return { status: 200, body: { instances } };
    },
  };
}
