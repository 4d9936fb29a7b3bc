/** `GET /v1/prices`: the cheapest machines for given needs, and why the others are not. */
import { z } from 'zod';
import { chooseInstances } from '../../core/choose-instances.ts';
import { fleetSchema } from '../../core/fleet.ts';
import { ARCHITECTURES } from '../../core/offer.ts';
import type { Clock, OfferSource } from '../../core/ports.ts';
import type { Route } from '../http/api-handler.ts';
import { limitParameter, readQuery } from '../http/query-parameters.ts';

const NO_LIMIT_USD = 1_000_000;
const amount = (maximum: number) => z.coerce.number().positive().max(maximum);

export function priceRoutes({ offers, clock }: { offers: OfferSource; clock: Clock }): Record<string, Route> {
  return {
    'GET /v1/prices': async (request) => {
      const query = readQuery(request, {
        provider: fleetSchema.shape.provider.default('aws'),
        vcpu: amount(448).default(1),
        memoryMiB: z.coerce.number().int().min(1).max(24_576_000).default(1_024),
        diskGiB: z.coerce.number().int().min(1).max(16_384).default(5),
        architecture: z.enum(ARCHITECTURES).optional(),
        market: fleetSchema.shape.market.unwrap().default('spot-then-on-demand'),
        maxHourlyPriceUsd: amount(NO_LIMIT_USD).default(NO_LIMIT_USD),
        gpus: z.coerce.number().int().min(0).max(16).default(0),
        tasks: z.coerce.number().int().min(1).max(10_000_000).default(1_000),
        secondsPerTask: amount(39_600).default(60),
        limit: limitParameter(500, 20),
      });
      const { provider, architecture, market, maxHourlyPriceUsd } = query;
      const list = await offers.list();
      const ofProvider = list.offers.filter((offer) => offer.provider === provider);
      const observedAt = ofProvider.map((offer) => offer.observedAt).sort()[0] ?? list.observedAt;
      const fleet = fleetSchema.parse({ provider });
      const { choices, refused } = chooseInstances(
        {
          ...fleet,
          slot: { vcpu: query.vcpu, memoryMiB: query.memoryMiB, diskGiB: query.diskGiB },
          architectures: architecture ? [architecture] : [...ARCHITECTURES],
          market,
          maxHourlyPriceUsd,
          gpu: query.gpus > 0 ? { count: query.gpus, models: [] } : null,
        },
        {
          slotsWanted: query.tasks,
          secondsPerTask: query.secondsPerTask,
          workSeconds: Math.max(query.secondsPerTask, fleet.drainTargetSeconds),
          bootSeconds: 60,
          idleSeconds: fleet.idleSeconds,
        },
        ofProvider,
      );
      const ageMs = clock.now().getTime() - Date.parse(observedAt);
      const body = {
        prices: choices.slice(0, query.limit).map(({ offer, slots, hourlyPriceUsd, usdPerTask, reason }) => ({
          instanceType: offer.instanceType,
          market: offer.market,
          region: offer.region,
          zone: offer.zone,
          architecture: offer.architecture,
          vcpus: offer.vcpus,
          memoryMiB: offer.memoryMiB,
          slots,
          hourlyPriceUsd,
          usdPerTask,
          reason,
        })),
        refused: Object.fromEntries(
          [...Map.groupBy(refused, ({ reason }) => reason)].map(([reason, offersOf]) => [reason, offersOf.length]),
        ),
        source: list.source,
        observedAt,
        ageDays: Math.max(0, Math.floor(ageMs / 86_400_000)),
      };
      return { status: 200, body };
    },
  };
}
