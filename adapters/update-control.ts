/** Changing a control document by compare-and-set, the same over every store that can write on a condition. */
import type { ControlDocument } from '../core/control-document.ts';
import { TransientError } from '../core/errors.ts';
import type { ControlRead } from '../core/ports.ts';
import { backoff } from './backoff.ts';

const MAX_TRIES = 12;

export type DocumentRead = Extract<ControlRead, { kind: 'document' }>;

export interface ControlStore<Read> {
  /** The document as it is, with what a condition needs to know of it. */
  readonly read: () => Promise<Read | { readonly kind: 'unchanged' }>;
  /** Writes it if it still is as it was read: `false` when somebody else was first. */
  readonly write: (document: ControlDocument, before: Read) => Promise<boolean>;
}

/**
 * A change that gives back the very same document writes nothing. After a lost response the document is no longer the one
 * that was read, and the change is made again, on top of itself: every change is one that may be made twice.
 * @throws TransientError when others are always first
 */
export async function updateControl<Read extends DocumentRead>(
  fleet: string,
  change: (document: ControlDocument) => ControlDocument,
  { read, write }: ControlStore<Read>,
): Promise<void> {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const before = await read();
    if (before.kind === 'unchanged') continue;
    const changed = change(before.document);
    if (changed === before.document) return;
    if (await write(changed, before)) return;
    await backoff(tries);
  }
  throw new TransientError('the control document is contended', { context: { fleet } });
}
