import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { ManifestHash, SessionId } from '#lib/kernel/ids.ts';
import {
  GrammarState,
  maskWords,
  parseGrammar,
  type Grammar,
} from '#lib/webgpu/grammar/grammar.ts';
import { createTokenTable, type TokenSource, type TokenTable } from '#lib/webgpu/grammar/tokens.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { STAGE_HOST } from './limits.ts';
import type { GrammarRef, RunSegment } from './types.ts';

interface Vocabulary {
  readonly table: TokenTable;
  /** By schema, in order of last use. */
  readonly grammars: Map<string, Kept>;
}

interface Kept {
  readonly grammar: Grammar;
  /** Where answers stand, in order of last use: found again from their ids where one is gone. */
  readonly standing: Map<SessionId, Standing>;
}

interface Standing {
  readonly ids: number[];
  readonly state: GrammarState;
}

/**
 * What the answers that are sampled here have to fit. All that is kept is a cache: a mask is a
 * function of the grammar and of the ids said so far (F3), so that a roll-back, or an answer that
 * comes from another node, needs nothing but its history.
 */
export class Grammars {
  readonly #loadTokens: (manifest: ManifestHash) => Promise<TokenSource>;
  readonly #vocabularies = new Map<ManifestHash, Vocabulary>();
  readonly #loading = new Map<ManifestHash, Promise<Vocabulary>>();

  constructor(loadTokens: (manifest: ManifestHash) => Promise<TokenSource>) {
    this.#loadTokens = loadTokens;
  }

  /** Before a session's first sample. @throws FaultError `package/…`, `request/…`. */
  async make({ manifest, schema }: GrammarRef): Promise<void> {
    keep(await this.#vocabulary(manifest), schema);
  }

  /** The segment with the mask of the ids that may come; itself where any may. */
  masked(segment: RunSegment): RunSegment {
    const { grammar: ref, session, want } = segment;
    if (!ref || (want.kind !== 'sample' && want.kind !== 'sample-rows')) return segment;
    const vocabulary = must(this.#vocabularies.get(ref.manifest), 'a grammar was made before');
    const kept = keep(vocabulary, ref.schema);
    if (want.kind === 'sample') {
      const { allowed } = stand(kept, session, want.history.answerIds);
      return { ...segment, want: { ...want, allowed } };
    }
    return { ...segment, want: { ...want, points: maskedRows(kept, session, want.points) } };
  }

  /** The session has left: what it stood at would keep states that nobody else needs. */
  forget(session: SessionId): void {
    for (const { grammars } of this.#vocabularies.values()) {
      for (const { standing } of grammars.values()) standing.delete(session);
    }
  }

  #vocabulary(manifest: ManifestHash): Promise<Vocabulary> {
    const known = this.#vocabularies.get(manifest);
    if (known) return Promise.resolve(known);
    const running = this.#loading.get(manifest);
    if (running) return running;
    const loading = this.#loadTokens(manifest)
      .then((source) => {
        const vocabulary = { table: createTokenTable(source), grammars: new Map<string, Kept>() };
        this.#vocabularies.set(manifest, vocabulary);
        return vocabulary;
      })
      .finally(() => this.#loading.delete(manifest));
    this.#loading.set(manifest, loading);
    return loading;
  }
}

/** The grammar of a schema, made anew where it has been dropped. */
function keep({ table, grammars }: Vocabulary, schema: string): Kept {
  const known = grammars.get(schema);
  const kept = known ?? { grammar: parseGrammar(schema, table), standing: new Map() };
  touch(grammars, schema, { value: kept, most: STAGE_HOST.grammarsMax });
  return kept;
}

/**
 * The masks of a step's rows. What is remembered is where the answer stands before its drafts: they
 * may fall. Behind a draft that may not come nothing counts, and the mask stays.
 */
function maskedRows(
  kept: Kept,
  session: SessionId,
  points: readonly SamplePoint[],
): readonly SamplePoint[] {
  const { state, allowed } = stand(kept, session, points[0]?.history.answerIds ?? []);
  const ahead = state?.copy();
  let mask = allowed;
  return points.map((point, row) => {
    const draft = point.history.answerIds.at(-1);
    if (row > 0 && draft !== undefined && ahead?.accept(draft)) {
      mask = new Uint32Array(mask.length);
      ahead.allowed(mask);
    }
    return { ...point, allowed: mask };
  });
}

interface Stand {
  /** Null where the ids so far may not have been said. */
  readonly state: GrammarState | null;
  readonly allowed: Uint32Array<ArrayBuffer>;
}

function stand(kept: Kept, session: SessionId, answerIds: readonly number[]): Stand {
  const { tokens } = kept.grammar;
  const allowed = new Uint32Array(maskWords(tokens.vocab));
  try {
    const standing = standingAt(kept, session, answerIds);
    touch(kept.standing, session, { value: standing, most: WIRE.sessionsPerNodeMax });
    standing.state.allowed(allowed);
    return { state: standing.state, allowed };
  } catch (error) {
    if (!isFault(error, 'wire/malformed')) throw error;
    // Another node said what may not be said. Nothing makes that right: the answer ends.
    for (const id of tokens.eosIds) allowed[id >>> 5] = (allowed[id >>> 5] ?? 0) | (1 << (id & 31));
    return { state: null, allowed };
  }
}

/** What is known goes on where it is the beginning of what was said; else all is read again. */
function standingAt(kept: Kept, session: SessionId, answerIds: readonly number[]): Standing {
  const known = kept.standing.get(session);
  if (!known || !isBeginning(known.ids, answerIds)) {
    return { ids: [...answerIds], state: new GrammarState(kept.grammar, answerIds) };
  }
  for (const id of answerIds.slice(known.ids.length)) {
    known.state.follow(id);
    known.ids.push(id);
  }
  return known;
}

const isBeginning = (ids: readonly number[], of: readonly number[]): boolean =>
  ids.length <= of.length && ids.every((id, i) => id === of[i]);

/** Puts an entry last; the one that was used longest ago goes where there are too many. */
function touch<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  { value, most }: { readonly value: Value; readonly most: number },
): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > most && !oldest.done) map.delete(oldest.value);
}
