/**
 * Each fleet's queues, control document and blobs, in whichever cloud they are. Where no other cloud is declared these are
 * AWS's own; where one is, its clients are loaded when one of its fleets is first spoken to.
 */
import { realPatience } from '../../adapters/patience.ts';
import type { Clouds } from '../../core/clouds.ts';
import { servicesOf } from '../../core/clouds.ts';
import type { Services } from '../../core/ids.ts';
import type { BlobLinks, BlobStore, ControlChannel, TaskQueue, TaskQueues } from '../../core/ports.ts';
import type { Deployment } from '../fleets-file.ts';
import { carryBlobs, linksHome, type Place, PlacesOfBlobs } from './places-of-blobs.ts';

/** What fleets of one cloud share. */
export interface CloudServices {
  readonly queues: TaskQueues;
  readonly control: ControlChannel;
  readonly blobs: BlobStore;
}

export interface FleetServices extends CloudServices {
  /** Addresses of blobs, wherever they are. */
  readonly linksOf: (home: BlobLinks) => BlobLinks;
}

/** A function that waits has no time left for what it can do: most may take half a minute in all. */
const ANSWER_SECONDS = 15;

export type OpenCloud = (cloud: keyof Clouds) => Promise<CloudServices>;

/** @param home AWS's: the place of all inputs, and of every fleet that is in no other cloud */
export function fleetServices({ fleets, clouds }: Deployment, home: CloudServices, open: OpenCloud): FleetServices {
  const declared = (['gcp', 'azure'] as const).filter((cloud) => clouds[cloud]);
  if (declared.length === 0) return { ...home, linksOf: (links) => links };
  const opened = new Map<Services, Promise<CloudServices>>([['aws', Promise.resolve(home)]]);
  const servicesAt = (services: Services): Promise<CloudServices> => {
    const known = opened.get(services);
    if (known || services === 'aws') return known ?? Promise.resolve(home);
    const asked = open(services);
    opened.set(services, asked);
    // One failure must not be all that a warm function remembers.
    asked.catch(() => opened.delete(services));
    return asked;
  };
  const placeOf = new Map(fleets.map((fleet) => [fleet.name, servicesOf(fleet, clouds)]));
  // A fleet that `fleets.yml` no longer names has its last messages at home.
  const at = (fleet: string): Services => placeOf.get(fleet) ?? 'aws';
  const places: readonly Place[] = (['aws', ...declared] as const).map((services) => ({
    services,
    blobs: async () => (await servicesAt(services)).blobs,
  }));
  // On AWS the SDK has limits of its own.
  const within = <Answer>(fleet: string, work: Promise<Answer>): Promise<Answer> =>
    at(fleet) === 'aws' ? work : realPatience(work, ANSWER_SECONDS, at(fleet));
  return {
    queues: (fleet, priority) =>
      carrying(
        async () => (await servicesAt(at(fleet))).queues(fleet, priority),
        (keys) => carryBlobs(keys, at(fleet), places),
        (work) => within(fleet, work),
      ),
    control: {
      read: (fleet, ...rest) =>
        within(
          fleet,
          servicesAt(at(fleet)).then(({ control }) => control.read(fleet, ...rest)),
        ),
      update: (fleet, change) =>
        within(
          fleet,
          servicesAt(at(fleet)).then(({ control }) => control.update(fleet, change)),
        ),
    },
    blobs: new PlacesOfBlobs(places),
    linksOf: (links) => linksHome(links, places),
  };
}

/** A queue that is opened when it is first used. What a message only names is where its reader looks before it is sent. */
function carrying(
  open: () => Promise<TaskQueue>,
  carry: (keys: readonly string[]) => Promise<void>,
  within: <Answer>(work: Promise<Answer>) => Promise<Answer>,
): TaskQueue {
  return {
    send: async (messages) => {
      // A checkpoint may be large: carrying it takes as long as it takes.
      await carry(messages.flatMap(({ inputRef, checkpointRef }) => [inputRef?.blob, checkpointRef]).filter(isText));
      await within(open().then((queue) => queue.send(messages)));
    },
    receive: async (options) => (await open()).receive(options),
    acknowledge: (leases) => within(open().then((queue) => queue.acknowledge(leases))),
    changeLease: (leases, leaseSeconds) => within(open().then((queue) => queue.changeLease(leases, leaseSeconds))),
    depth: () => within(open().then((queue) => queue.depth())),
  };
}

const isText = (value: string | undefined): value is string => value !== undefined;
