import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ManifestHash } from '#lib/kernel/ids.ts';
import type { PrefixScope } from '#lib/shard/session/prefix.ts';
import { GATEWAY } from './limits.ts';
import type { ModelText, ServedModel } from './models/directory.ts';

/** Two questions with nothing in common: what their prompts share is the system prompt's alone. */
const QUESTIONS = ['a', 'Z'] as const;

export interface PrefixAsk {
  readonly headers: IncomingHttpHeaders;
  /** `prompt_cache_key`, if it was given. */
  readonly key: string | null;
  readonly model: ServedModel;
  readonly text: ModelText;
  readonly promptIds: readonly number[];
  /** How many are asked for: what is computed of their prompt is theirs, with a key or without. */
  readonly choices: number;
}

/**
 * Who may use whose computed prompts. The time to a first token tells whether somebody's pages were
 * there, so they are found only by who knows the same unguessable key, with the same credentials;
 * salts come from a secret of this process. A system prompt that the operator made public is
 * everybody's.
 */
export class PrefixScopes {
  readonly #secret = randomBytes(32);
  readonly #publicPrompt: string | null;
  /** By model; promises' results, once they are there. */
  readonly #publicIds = new Map<ManifestHash, readonly number[]>();

  constructor(publicPrompt: string | null) {
    this.#publicPrompt = publicPrompt;
  }

  /** Null: the request shares nothing. */
  scopeOf(ask: PrefixAsk): PrefixScope | null {
    const salt = this.#saltOf(ask);
    const { promptIds } = ask;
    const ids = sharedIds(this.#idsOf(ask), promptIds);
    if (salt === null && ids === 0) return null;
    return { salt, public: ids === 0 ? null : { ids, salt: this.#salt('public') } };
  }

  #saltOf({ headers, key, choices }: PrefixAsk): string | null {
    const isSecret = key !== null && key.length >= GATEWAY.cacheKeyCharsMin;
    if (isSecret) return this.#salt(`key\n${headers.authorization ?? ''}\n${key}`);
    return choices > 1 ? randomBytes(32).toString('hex') : null;
  }

  #salt(whose: string): string {
    return createHmac('sha256', this.#secret).update(whose).digest('hex');
  }

  /** None before they are known: the first conversation's system prompt is its own. */
  #idsOf({ model, text }: PrefixAsk): readonly number[] {
    const known = this.#publicIds.get(model.hash);
    if (known || this.#publicPrompt === null) return known ?? [];
    this.#publicIds.set(model.hash, []);
    void this.#learn(model.hash, text, this.#publicPrompt);
    return [];
  }

  async #learn(hash: ManifestHash, text: ModelText, prompt: string): Promise<void> {
    const read = (question: string) =>
      text.read({
        kind: 'chat',
        messages: [
          { role: 'system', content: prompt },
          { role: 'user', content: question },
        ],
      });
    try {
      const [first, second] = [await read(QUESTIONS[0]), await read(QUESTIONS[1])];
      this.#publicIds.set(hash, first.slice(0, sharedIds(first, second)));
    } catch {
      // No chat template, or a busy reader: the next request tries again.
      this.#publicIds.delete(hash);
    }
  }
}

function sharedIds(a: readonly number[], b: readonly number[]): number {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared += 1;
  return shared;
}
