/** The control document in the container: `control/{fleet}.json`, changed by `If-Match`, read by `If-None-Match`. */
import { type ControlDocument, controlDocumentSchema, emptyControlDocument } from '../../core/control-document.ts';
import { PermanentError } from '../../core/errors.ts';
import { blobKeys } from '../../core/ids.ts';
import type { ControlChannel, ControlRead } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { parsedJson } from '../parsed-json.ts';
import { updateControl } from '../update-control.ts';
import { type AzureContainer, askForBlob, putHeaders, unexpectedOfBlobs } from './azure-blobs.ts';

/** Somebody else wrote first: the ETag no longer fits (412), or the document that was not there is (409). */
const LOST_THE_RACE: ReadonlySet<number> = new Set([409, 412]);

export class AzureControlChannel implements ControlChannel {
  readonly #container: AzureContainer;

  constructor(options: { containerUrl: string; token: AccessToken | null }) {
    this.#container = options;
  }

  async read(fleet: string, etag?: string): Promise<ControlRead> {
    const headers = etag ? { 'if-none-match': etag } : {};
    const answer = await askForBlob(this.#container, blobKeys.control(fleet), { method: 'GET', headers });
    switch (answer.status) {
      case 200: {
        const parsed = controlDocumentSchema.safeParse(parsedJson(new TextDecoder().decode(answer.bytes)));
        if (!parsed.success) {
          throw new PermanentError('the control document cannot be read', { cause: parsed.error, context: { fleet } });
        }
        return { kind: 'document', document: parsed.data, etag: answer.headers.get('etag') };
      }
      case 304:
        return { kind: 'unchanged' };
      case 404:
        return { kind: 'document', document: emptyControlDocument, etag: null };
      default:
        throw unexpectedOfBlobs('Get Blob', answer);
    }
  }

  update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void> {
    return updateControl(fleet, change, {
      read: () => this.read(fleet),
      write: async (changed, { etag }) => {
        const condition: Record<string, string> = etag ? { 'if-match': etag } : { 'if-none-match': '*' };
        const answer = await askForBlob(this.#container, blobKeys.control(fleet), {
          method: 'PUT',
          headers: { ...putHeaders('application/json'), ...condition },
          body: JSON.stringify(changed),
        });
        if (answer.status === 201) return true;
        if (LOST_THE_RACE.has(answer.status)) return false;
        throw unexpectedOfBlobs('Put Blob', answer);
      },
    });
  }
}
