import type { WordTree } from './words.ts';

/** What a value may be. Nodes refer to each other by index: recursion is a plain number. */
export type GrammarNode =
  /** One of some literals: an enum, a constant, `true`, `null`. */
  | { readonly kind: 'words'; readonly words: WordTree }
  /** Lengths in code points, as JSON Schema counts them. */
  | { readonly kind: 'string'; readonly min: number; readonly max: number }
  | { readonly kind: 'number'; readonly isInteger: boolean }
  | { readonly kind: 'array'; readonly items: number; readonly min: number; readonly max: number }
  | ObjectNode
  /** An object of any keys and values. */
  | { readonly kind: 'map' }
  /** Never holds another `any-of`. */
  | { readonly kind: 'any-of'; readonly alternatives: readonly number[] };

/** Keys come in the schema's order; those that are not required may be left out. */
export interface ObjectNode {
  readonly kind: 'object';
  readonly properties: readonly Property[];
  /** The keys as JSON writes them, in order. */
  readonly keys: WordTree;
  /** By index i: the first required property from i on; `properties.length` where there is none. */
  readonly requiredFrom: readonly number[];
}

export interface Property {
  readonly node: number;
  readonly isRequired: boolean;
}

/** Nodes that every grammar has, by their place. */
export const NODE = { any: 0, map: 1, list: 2, text: 3, number: 4, boolean: 5, null: 6 } as const;
