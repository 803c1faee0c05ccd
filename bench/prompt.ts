import { goldenRow } from '#tests/support/golden.ts';

const long = goldenRow('long1000');

/** The first `count` ids of a long prompt: benchmarks count tokens, not words. */
export const promptIds = (count: number): number[] => long.promptIds.slice(0, count);

/** Plain text of about 128 tokens that a model goes on with, for peers that take text only. */
export const PROMPT = [
  'The history of the lighthouse on the northern cape begins in the year 1823, when three ships',
  'were lost on the same night within sight of the harbour. The town had asked for a light for',
  'twenty years, and for twenty years the answer had been that there was no money for it. After',
  'that night the fishermen built the first tower themselves, from stones of the old mill, and',
  'they took turns to keep the fire burning. The second tower, which still stands, was finished',
  'forty years later. Its keepers wrote down every ship that passed, the weather, and what they',
  'had for dinner, and so we know more about them than about most kings. The first keeper was',
].join(' ');
