/**
 * Pins a ref to a commit over git's smart HTTP, protocol version 2 (gitprotocol-v2): a Lambda has no git. `ls-refs` asks
 * for the few names in question only, so that a repository with 100,000 refs costs no more than a small one.
 */
import { TransientError } from '../../core/errors.ts';
import type { CodeResolver, ResolvedCode } from '../../core/ports.ts';
import { networkReason } from './network-reason.ts';
import { DELIMITER, FLUSH, packet, readPackets } from './pkt-line.ts';
import type { CredentialUser } from './repository-credentials.ts';

const FULL_SHA = /^[0-9a-f]{40}$/;
const TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;
/** Enough for the refs of any name, and for the first packets of a fetch. */
const MAX_ANSWER_BYTES = 1_000_000;

/** What is asked, and as whom: `authorization` never leaves this file but in the header of that name. */
interface Source {
  readonly kind: 'source';
  readonly repository: string;
  readonly credential: string | null;
  readonly authorization: string | null;
}

type Answer = { readonly kind: 'packets'; readonly lines: readonly string[] } | ResolvedCode;

export class SmartHttpCodeResolver implements CodeResolver {
  readonly #fetch: typeof fetch;
  readonly #credentials: CredentialUser;

  constructor(options: { credentials: CredentialUser; fetch?: typeof fetch }) {
    this.#fetch = options.fetch ?? fetch;
    this.#credentials = options.credentials;
  }

  async resolve({ repository, ref, credential = null }: Parameters<CodeResolver['resolve']>[0]): Promise<ResolvedCode> {
    const source = await this.#sourceOf(repository, credential);
    if (source.kind === 'unusable') return { kind: 'credential-unusable', message: source.message };
    return FULL_SHA.test(ref) ? this.#findCommit(source, ref) : this.#findRef(source, ref);
  }

  async #sourceOf(
    repository: string,
    credential: string | null,
  ): Promise<Source | { kind: 'unusable'; message: string }> {
    const open: Source = { kind: 'source', repository, credential, authorization: null };
    if (credential === null) return open;
    const authorized = await this.#credentials.authorize(credential, repository);
    return authorized.kind === 'unusable' ? authorized : { ...open, authorization: authorized.header };
  }

  async #findRef(source: Source, ref: string): Promise<ResolvedCode> {
    // In git's own order of precedence (gitrevisions).
    const names = ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/tags/${ref}`, `refs/heads/${ref}`];
    const answer = await this.#ask(source, [
      packet('command=ls-refs\n'),
      DELIMITER,
      packet('peel\n'),
      ...names.map((name) => packet(`ref-prefix ${name}\n`)),
      FLUSH,
    ]);
    if (answer.kind !== 'packets') return answer;
    for (const name of names) {
      const line = answer.lines.find((each) => each.split(' ')[1] === name);
      const commit = line && (/ peeled:([0-9a-f]{40})/.exec(line)?.[1] ?? line.split(' ')[0]);
      if (commit && FULL_SHA.test(commit)) return { kind: 'resolved', commit };
    }
    return { kind: 'ref-not-found', message: `there is no branch or tag "${ref}" in ${source.repository}` };
  }

  /** Asks for the commit itself; only the first packets of the answer are read. */
  async #findCommit(source: Source, commit: string): Promise<ResolvedCode> {
    const answer = await this.#ask(source, [
      packet('command=fetch\n'),
      DELIMITER,
      packet(`want ${commit}\n`),
      packet('deepen 1\n'),
      packet('done\n'),
      FLUSH,
    ]);
    if (answer.kind !== 'packets') return answer;
    const refusal = answer.lines.find((line) => line.startsWith('ERR '));
    if (refusal || answer.lines.length === 0) {
      return { kind: 'ref-not-found', message: `there is no commit ${commit} in ${source.repository}` };
    }
    return { kind: 'resolved', commit };
  }

  async #ask(source: Source, request: readonly string[]): Promise<Answer> {
    const { repository, authorization } = source;
    let url = new URL(`${repository.replace(/\/$/, '')}/git-upload-pack`);
    for (let redirects = 0; ; redirects += 1) {
      const response = await this.#post(url, request.join(''), authorization);
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location) {
        const next = new URL(location, url);
        // A renamed repository stays on its host; a way to another host is not followed. With a credential none is,
        // because git on a machine would carry it along to wherever it is sent.
        if (authorization !== null) return moved(repository);
        if (next.origin === url.origin && redirects < MAX_REDIRECTS) {
          url = next;
          continue;
        }
        return notFound(source);
      }
      if (response.status >= 500 || response.status === 429) {
        throw new TransientError(`the repository host ${url.host} does not answer as it should`, {
          context: { repository, status: response.status },
        });
      }
      if (!response.ok) return notFound(source);
      return this.#packets(source, response);
    }
  }

  async #post(url: URL, body: string, authorization: string | null): Promise<Response> {
    try {
      return await this.#fetch(url, {
        method: 'POST',
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          'git-protocol': 'version=2',
          'content-type': 'application/x-git-upload-pack-request',
          accept: 'application/x-git-upload-pack-result',
          'user-agent': 'git/2 shoal',
          ...(authorization === null ? {} : { authorization }),
        },
        body,
      });
    } catch (error) {
      // No cause where a credential was sent: who knows what a client quotes of a request that failed.
      const cause = authorization === null ? { cause: error } : {};
      const context = { host: url.host, reason: networkReason(error) };
      throw new TransientError(`the repository host ${url.host} cannot be reached`, { ...cause, context });
    }
  }

  async #packets(source: Source, response: Response): Promise<Answer> {
    if (response.headers.get('content-type') !== 'application/x-git-upload-pack-result') return notFound(source);
    try {
      return { kind: 'packets', lines: readPackets(await firstBytes(response)) };
    } catch (error) {
      if (error instanceof RangeError) return notFound(source);
      const context = { repository: source.repository };
      const { host } = new URL(source.repository);
      throw new TransientError(`the repository host ${host} broke off its answer`, { cause: error, context });
    }
  }
}

async function firstBytes(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, MAX_ANSWER_BYTES);
}

const notFound = ({ repository, credential }: Source): ResolvedCode => ({
  kind: 'repository-not-found',
  message: `${repository} is not a git repository that can be read ${
    credential === null ? 'without a credential' : `with the credential "${credential}"`
  }`,
});

const moved = (repository: string): ResolvedCode => ({
  kind: 'repository-not-found',
  message: `${repository} is elsewhere by now: with a credential, name the address where it is`,
});
