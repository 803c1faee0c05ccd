import { GrammarState, maskWords, type Grammar } from '#lib/webgpu/grammar/grammar.ts';

/**
 * Whether an id may follow the accepted ones of one answer, which only grow (S1): so it goes on from
 * where it stood. Whoever samples makes the same mask of the same ids (F3).
 */
export function formatCheck(
  grammar: Grammar,
): (acceptedIds: readonly number[], id: number) => boolean {
  const state = new GrammarState(grammar);
  let stoodAt = 0;
  return (acceptedIds, id) => {
    for (const accepted of acceptedIds.slice(stoodAt)) state.follow(accepted);
    stoodAt = acceptedIds.length;
    // A mask also allows the end where nothing else could come, so it has the last word.
    return state.copy().accept(id) || isAllowed(state, { id, vocab: grammar.tokens.vocab });
  };
}

function isAllowed(
  state: GrammarState,
  { id, vocab }: { readonly id: number; readonly vocab: number },
): boolean {
  const mask = new Uint32Array(maskWords(vocab));
  state.allowed(mask);
  return (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}
