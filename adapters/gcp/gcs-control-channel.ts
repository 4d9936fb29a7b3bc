/**
 * The control document in the bucket: `control/{fleet}.json`, read by `If-None-Match`, changed on the condition that its
 * generation is the one that was read (https://cloud.google.com/storage/docs/request-preconditions).
 */
import { type ControlDocument, controlDocumentSchema, emptyControlDocument } from '../../core/control-document.ts';
import { blobKeys } from '../../core/ids.ts';
import type { ControlChannel, ControlRead } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { type DocumentRead, updateControl } from '../update-control.ts';
import { GcsObjects, NOT_MODIFIED, PRECONDITION_FAILED } from './gcs-objects.ts';

/** What was never written. */
const NO_GENERATION = '0';

interface Generation {
  readonly generation: string;
}
type GenerationRead = ControlRead & Generation;

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

  update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void> {
    return updateControl<DocumentRead & Generation>(fleet, change, {
      read: () => this.#read(fleet),
      write: async (changed, { generation }) => {
        const status = await this.#objects.put(blobKeys.control(fleet), JSON.stringify(changed), {
          headers: { 'content-type': 'application/json', 'x-goog-if-generation-match': generation },
          expected: [PRECONDITION_FAILED],
        });
        return status !== PRECONDITION_FAILED;
      },
    });
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
