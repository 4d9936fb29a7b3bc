/** Bad input is refused at the door: every fault of a submission at once, each with its place. */

import { type Clouds, servicesOf } from '../../core/clouds.ts';
import { codeSchema } from '../../core/code.ts';
import { counted } from '../../core/counted.ts';
import { type Fault, ValidationError } from '../../core/errors.ts';
import type { Fleet } from '../../core/fleet.ts';
import { type JobSubmission, jobSubmissionSchema } from '../../core/job-submission.ts';
import { fleetsNamed } from '../../core/placement.ts';
import type { CodeResolver } from '../../core/ports.ts';
import { faultsOf } from '../../core/validation.ts';

export interface SubmissionRules {
  readonly fleets: readonly Fleet[];
  /** The other clouds that fleets are in; none, unless told. */
  readonly clouds?: Clouds;
  readonly repositoryHosts: readonly string[];
  /** Whether `file://` and plain `http://` are read: by the local run only. */
  readonly allowLocalRepositories: boolean;
  readonly resolver: CodeResolver;
}

export interface CheckedSubmission {
  readonly submission: JobSubmission;
  /** The full SHA that the ref stands for now. */
  readonly commit: string;
}

/** @throws ValidationError naming every fault; TransientError when the repository's host, or the store of secrets, does not answer */
export async function checkSubmission(
  document: unknown,
  rules: SubmissionRules,
  now: Date,
): Promise<CheckedSubmission> {
  const parsed = jobSubmissionSchema.safeParse(document);
  const shapeFaults = parsed.success ? [] : faultsOf(parsed.error);
  const known = [
    ...shapeFaults,
    ...fleetFaults(document, rules.fleets),
    ...deadlineFaults(document, now),
    ...(parsed.success ? resourceFaults(parsed.data, rules.fleets) : []),
    ...(parsed.success ? credentialFaults(parsed.data, rules) : []),
  ];
  const code = await checkCode(document, rules).catch((error: unknown) => {
    // A host that cannot be reached is no reason to keep quiet about what is wrong anyway.
    if (known.length === 0) throw error;
    return { commit: null, faults: [] };
  });
  const faults = [...known, ...code.faults];
  if (!parsed.success || !code.commit || faults.length > 0) {
    throw new ValidationError(`the job has ${counted(faults.length, 'fault')}`, unique(faults));
  }
  return { submission: parsed.data, commit: code.commit };
}

const field = (document: unknown, name: string): unknown =>
  typeof document === 'object' && document !== null && Object.hasOwn(document, name)
    ? (document as Record<string, unknown>)[name] // an object with that own property
    : undefined;

/** Fleets that are named and not there. */
export function fleetFaults(document: unknown, fleets: readonly Fleet[]): Fault[] {
  const named = field(document, 'fleet') ?? 'default';
  const known = fleets.map((fleet) => fleet.name);
  const message = `there is no such fleet; there are: ${known.join(', ')}`;
  const isUnknown = (name: unknown): boolean => typeof name === 'string' && !known.includes(name);
  if (!Array.isArray(named)) return isUnknown(named) ? [{ path: 'fleet', message }] : [];
  return named.flatMap((name, at) => (isUnknown(name) ? [{ path: `fleet[${at}]`, message }] : []));
}

/** A deadline that nothing can keep any more. */
export function deadlineFaults(document: unknown, now: Date): Fault[] {
  const deadline = jobSubmissionSchema.shape.deadline.safeParse(field(document, 'deadline'));
  if (!deadline.data || Date.parse(deadline.data) > now.getTime()) return [];
  return [{ path: 'deadline', message: 'is past' }];
}

/** A task that needs more than its fleet's slot would never run there. */
function resourceFaults(submission: JobSubmission, fleets: readonly Fleet[]): Fault[] {
  const { resources } = submission;
  if (!resources) return [];
  return fleetsNamed(submission).flatMap((name) => {
    const slot = fleets.find((fleet) => fleet.name === name)?.slot;
    if (!slot) return [];
    return (['vcpu', 'memoryMiB', 'diskGiB'] as const)
      .filter((kind) => resources[kind] > slot[kind])
      .map((kind) => ({
        path: `resources.${kind}`,
        message: `a slot of the fleet "${name}" has ${slot[kind]}; ask for less, or for a fleet with larger slots`,
      }));
  });
}

/** Secrets are in AWS's parameter store, where machines in other clouds are nobody. */
function credentialFaults(submission: JobSubmission, { fleets, clouds = {} }: SubmissionRules): Fault[] {
  if (submission.code.credential === null) return [];
  const elsewhere = fleetsNamed(submission).filter((name) => {
    const fleet = fleets.find((each) => each.name === name);
    return fleet && servicesOf(fleet, clouds) !== 'aws';
  });
  return elsewhere.map((name) => ({
    path: 'code.credential',
    message: `machines of the fleet "${name}" cannot read it, they have no identity on AWS; name fleets on AWS, or make the repository readable without it`,
  }));
}

/** Resolves the code even when other parts are wrong, so that an unknown ref is told with all the rest. */
async function checkCode(
  document: unknown,
  rules: SubmissionRules,
): Promise<{ commit: string | null; faults: readonly Fault[] }> {
  const code = codeSchema
    .pick({ repository: true, ref: true, credential: true })
    .strip()
    .safeParse(field(document, 'code'));
  if (!code.success) return { commit: null, faults: [] };
  const { repository } = code.data;
  const notAllowed = repositoryFault(repository, rules);
  if (notAllowed) return { commit: null, faults: [notAllowed] };
  const resolved = await rules.resolver.resolve(code.data);
  switch (resolved.kind) {
    case 'resolved':
      return { commit: resolved.commit, faults: [] };
    case 'repository-not-found':
      return { commit: null, faults: [{ path: 'code.repository', message: resolved.message }] };
    case 'ref-not-found':
      return { commit: null, faults: [{ path: 'code.ref', message: resolved.message }] };
    case 'credential-unusable':
      return { commit: null, faults: [{ path: 'code.credential', message: resolved.message }] };
  }
}

function repositoryFault(repository: string, rules: SubmissionRules): Fault | undefined {
  const path = 'code.repository';
  const { protocol, host, hostname } = new URL(repository);
  if (protocol !== 'https:' && !rules.allowLocalRepositories) {
    return { path, message: `${protocol}// is read by the local run only; use https://` };
  }
  if (protocol === 'file:') return undefined;
  // A name on the list stands for its usual port; only the local run, whose servers take any free one, takes any.
  if (!rules.repositoryHosts.includes(rules.allowLocalRepositories ? hostname : host)) {
    return { path, message: `repositories are read from ${rules.repositoryHosts.join(', ')} only` };
  }
  return undefined;
}

/** The shape's check and ours may find the same thing wrong. */
const unique = (faults: readonly Fault[]): Fault[] => [
  ...new Map(faults.map((fault) => [`${fault.path}\n${fault.message}`, fault])).values(),
];
