/** A job as one of its fleets sees it. */
import type { FleetPart } from '../../core/fleet-part.ts';
import type { JobProgress } from '../../core/ports.ts';

export interface FleetJob extends JobProgress {
  /** What the fleet has of it. */
  readonly part: FleetPart;
}
