import { type ControlDocument, controlDocumentSchema, emptyControlDocument } from '../../core/control-document.ts';
import type { ControlChannel, ControlRead } from '../../core/ports.ts';

export class InMemoryControlChannel implements ControlChannel {
  readonly #written = new Map<string, { json: string; version: number }>();

  async read(fleet: string, etag?: string): Promise<ControlRead> {
    const written = this.#written.get(fleet);
    if (!written) return { kind: 'document', document: emptyControlDocument, etag: null };
    const current = `"${written.version}"`;
    if (etag === current) return { kind: 'unchanged' };
    return { kind: 'document', document: controlDocumentSchema.parse(JSON.parse(written.json)), etag: current };
  }

  async update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void> {
    const written = this.#written.get(fleet);
    const document = written ? controlDocumentSchema.parse(JSON.parse(written.json)) : emptyControlDocument;
    this.#written.set(fleet, { json: JSON.stringify(change(document)), version: (written?.version ?? 0) + 1 });
  }
}
