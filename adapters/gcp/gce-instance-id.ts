/**
 * How our machines on Compute Engine are called. An instance is found by zone and name, so its id with us is
 * `{zone}.{name}`: neither may hold a dot, and nothing needs to be looked up. The machine makes the same id of what its
 * metadata server says (worker-bootstrap/platforms/gcp.ts).
 *
 * The name is `shoal-{stage}-{fleet}-{hash of the intent}-{number}`: of a machine that is gone, the name alone is left.
 */
import { createHash } from 'node:crypto';

const ID = /^([a-z][a-z0-9-]{1,40})\.([a-z]([-a-z0-9]{0,61}[a-z0-9])?)$/;

export interface GceInstanceName {
  readonly zone: string;
  readonly name: string;
}

export const instanceIdOf = ({ zone, name }: GceInstanceName): string => `${zone}.${name}`;

/** `undefined` for what can be no machine of this stage. */
export function parseInstanceId(instanceId: string, stage: string): GceInstanceName | undefined {
  const [, zone, name] = ID.exec(instanceId) ?? [];
  return zone && name?.startsWith(prefixOf(stage)) ? { zone, name } : undefined;
}

/** `…/zones/europe-west4-a/instances/name` → its parts. */
export function instanceOfLink(link: string): GceInstanceName | undefined {
  const [, zone, name] = /\/zones\/([^/]+)\/instances\/([^/]+)$/.exec(link) ?? [];
  return zone && name ? { zone, name } : undefined;
}

/** The last part of a link: Compute Engine names zones and machine types by whole addresses. */
export const nameOfLink = (link: string): string => link.slice(link.lastIndexOf('/') + 1);

/** The number takes the place of the hash signs ("BulkInsertInstanceResource", namePattern). */
export const namePattern = (stage: string, fleet: string, intentId: string): string =>
  `${prefixOf(stage)}${fleet}-${hashOf(intentId).slice(0, 8)}-####`;

/** The fleet of a machine of this stage, by its name. */
export function fleetOfName(name: string, stage: string): string | undefined {
  if (!name.startsWith(prefixOf(stage))) return undefined;
  return /^(.+)-[0-9a-f]{8}-\d{4,}$/.exec(name.slice(prefixOf(stage).length))?.[1];
}

/** A UUID that is always the same for one intent: what makes Compute Engine answer a repeated request, not carry it out. */
export function requestIdOf(stage: string, intentId: string): string {
  const hex = hashOf(`${stage}/${intentId}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const prefixOf = (stage: string): string => `shoal-${stage.toLowerCase()}-`;
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
