/** A fleet: a named place where tasks run, declared in `fleets.yml` and deployed as code. */
import { z } from 'zod';
import { cloudsSchema } from './clouds.ts';
import { FLEET_NAME } from './ids.ts';
import { ARCHITECTURES } from './offer.ts';

const TYPE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\*?$/;

export const slotSchema = z.strictObject({
  vcpu: z.number().positive().max(448).default(1),
  memoryMiB: z.int().positive().default(1024),
  diskGiB: z.int().positive().default(5),
});

export const fleetSchema = z
  .strictObject({
    provider: z.enum(['aws', 'gcp', 'azure', 'external']),
    slot: slotSchema.default({ vcpu: 1, memoryMiB: 1024, diskGiB: 5 }),
    architectures: z
      .array(z.enum(ARCHITECTURES))
      .min(1)
      .default([...ARCHITECTURES]),
    market: z.enum(['spot', 'on-demand', 'spot-then-on-demand']).default('spot'),
    minInstances: z.int().min(0).default(0),
    maxInstances: z.int().min(1).max(10_000).default(10),
    /** Of one machine, its disk and public address included. */
    maxHourlyPriceUsd: z.number().positive().default(0.2),
    /** Machine types, or families such as `c7g.*`; none named: any. */
    allowedTypes: z
      .array(z.string().regex(TYPE_PATTERN, 'must be a machine type, or a family such as c7g.*'))
      .default([]),
    /** What a slot needs of GPUs; no models named: any. */
    gpu: z
      .strictObject({ count: z.int().min(1).max(16), models: z.array(z.string().min(1)).default([]) })
      .nullable()
      .default(null),
    /** The time in which waiting work is to be done when no job's deadline says otherwise. Longer is cheaper. */
    drainTargetSeconds: z.int().min(1).max(86_400).default(900),
    /** A machine ends itself when its queues stayed empty for so long. */
    idleSeconds: z.int().min(1).max(86_400).default(30),
    maxLifetimeHours: z.number().positive().max(168).default(24),
  })
  .refine((fleet) => fleet.minInstances <= fleet.maxInstances, {
    path: ['minInstances'],
    message: 'must not exceed maxInstances',
  });

export const fleetsFileSchema = z.strictObject({
  fleets: z
    .record(
      z.string().regex(FLEET_NAME, 'a fleet name is a lower-case letter, then letters, digits and -'),
      fleetSchema,
    )
    .refine((fleets) => Object.keys(fleets).length > 0, 'at least one fleet is needed'),
  /** Where fleets of other clouds live (core/clouds.ts). */
  clouds: cloudsSchema.default({}),
});

export type FleetsFile = z.infer<typeof fleetsFileSchema>;
export type Fleet = z.infer<typeof fleetSchema> & { readonly name: string };

/** The fleets of a parsed `fleets.yml`, in the order of the file. */
export function fleetsOf(file: FleetsFile): Fleet[] {
  return Object.entries(file.fleets).map(([name, fleet]) => ({ name, ...fleet }));
}
