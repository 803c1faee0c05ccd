import { KIB } from '#lib/kernel/units.ts';

/** Bounds of grammars: what a schema may cost before, and an answer while, it is written. */
export const GRAMMAR = {
  /** UTF-16 units of a schema as JSON: what a session's nodes may be sent. */
  schemaCharsMax: 256 * KIB,
  /** Schemas inside a schema; OpenAI's bound of properties. */
  nodesMax: 5000,
  /** Schemas inside each other as written; a walk of ours recurses this deep. */
  schemaDepthMax: 64,
  /** Members of all enums together (OpenAI's). */
  enumMax: 1000,
  /** UTF-16 units of all property names and enum members (OpenAI's). */
  charsMax: 120_000,
  /** Alternatives of one anyOf, those of anyOfs inside it counted. */
  alternativesMax: 64,
  /** Objects and arrays inside each other in an answer: where a recursive schema has to end. */
  depthMax: 32,
  /** Readings of one answer kept at once; each of them can end, so that fewer are still right. */
  threadsMax: 64,
  /** Blanks after a line break, at one place. */
  indentMax: 16,
  /** States kept of one grammar, 1 KiB each where bytes were tried; then it starts afresh from where answers stand. */
  statesMax: 8192,
  /** Masks kept of one grammar, 6 KiB each with 49 152 ids. */
  masksMax: 512,
} as const;

export type GrammarLimits = { readonly [name in keyof typeof GRAMMAR]: number };
