/**
 * The control document in the bucket: `control/{fleet}.json`, read by `If-None-Match`, changed on the condition that its
 * generation is the one that was read (https://cloud.google.com/storage/docs/request-preconditions).
 */
import { type ControlDocument, controlDocumentSchema, emptyControlDocument } from '../../core/control-document.ts';
import { TransientError } from '../../core/errors.ts';
import { blobKeys } from '../../core/ids.ts';
import type { ControlChannel, ControlRead } from '../../core/ports.ts';
import { backoff } from '../backoff.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { GcsObjects, NOT_MODIFIED, PRECONDITION_FAILED } from './gcs-objects.ts';

const MAX_TRIES = 12;
/** What was never written. */
const NO_GENERATION = '0';

type GenerationRead = ControlRead & { readonly generation: string };

export class GcsControlChannel implements ControlChannel {
  readonly #objects: GcsObjects;

  /** @param options.bucketUrl such as `https://storage.googleapis.com/my-bucket` */
  constructor(options: { bucketUrl: string; token: AccessToken | null }) {
    this.#objects = new GcsObjects(options);
  }

  async read(fleet: string, etag?: string): Promise<ControlRead> {
    const { generation: _generation, ...read } = await this.#read(fleet, etag);
    return read;
  }

  /**
   * A change that gives back the very same document writes nothing. After a lost response the generation is no longer the
   * one that was read, and the change is made again, on top of itself: every change is one that may be made twice.
   */
  async update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void> {
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const before = await this.#read(fleet);
      if (before.kind === 'unchanged') continue;
      const changed = change(before.document);
      if (changed === before.document) return;
      const status = await this.#objects.put(blobKeys.control(fleet), JSON.stringify(changed), {
        headers: { 'content-type': 'application/json', 'x-goog-if-generation-match': before.generation },
        expected: [PRECONDITION_FAILED],
      });
      if (status !== PRECONDITION_FAILED) return;
      await backoff(tries);
    }
    throw new TransientError('the control document is contended', { context: { fleet } });
  }

  async #read(fleet: string, etag?: string): Promise<GenerationRead> {
    const read = async (response: Response): Promise<GenerationRead> => {
      const { status, headers } = response;
      const generation = headers.get('x-goog-generation') ?? NO_GENERATION;
      if (status === NOT_MODIFIED) return { kind: 'unchanged', generation };
      const document = controlDocumentSchema.parse(JSON.parse(await response.text()));
      return { kind: 'document', document, etag: headers.get('etag'), generation };
    };
    const headers = etag ? { 'if-none-match': etag } : {};
    const found = await this.#objects.get(blobKeys.control(fleet), read, { headers, expected: [NOT_MODIFIED] });
    return found ?? { kind: 'document', document: emptyControlDocument, etag: null, generation: NO_GENERATION };
  }
}
