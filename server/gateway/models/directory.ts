import type { ManifestHash, ModelId } from '#lib/kernel/ids.ts';
import type { Grammar } from '#lib/webgpu/grammar/grammar.ts';
import type { TokenStream } from '#lib/shard/package/tokenizer.ts';

/** A model as the doors see it; `directoryOf` makes it from the registry. */
export interface ServedModel {
  readonly id: ModelId;
  readonly hash: ManifestHash;
  readonly name: string;
  readonly licence: string;
  readonly layers: number;
  readonly vocab: number;
  /** Most positions of a session, prompt and answer together. */
  readonly contextMax: number;
  readonly eosIds: readonly number[];
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type Prompt =
  /** A conversation; the assistant's turn is opened. */
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
  /** Raw text, with the begin token where the model wants one. */
  | { readonly kind: 'text'; readonly text: string };

/** A model's way from text to ids and back. */
export interface ModelText {
  /** Off this thread: a long prompt takes seconds. @throws FaultError `request/…`. */
  read(prompt: Prompt): Promise<readonly number[]>;
  /** Text of an answer as it comes; special tokens are left out. */
  stream(): TokenStream;
  /** A token's own bytes; none for an id without a token. */
  bytesOf(id: number): Uint8Array;
  /**
   * The grammar of a schema written as JSON, at once.
   * @throws FaultError `request/…` naming `response_format`.
   */
  grammar(schema: string): Grammar;
}

export interface ModelDirectory {
  list(): readonly ServedModel[];
  find(id: string): ServedModel | null;
  /** Loaded at the first call, then kept. @throws FaultError `package/…`. */
  text(model: ServedModel): Promise<ModelText>;
  /** Ends its workers. */
  close(): void;
}
