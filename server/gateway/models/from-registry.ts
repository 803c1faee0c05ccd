import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { ManifestHash } from '#lib/kernel/ids.ts';
import { parseGrammar } from '#lib/webgpu/grammar/grammar.ts';
import { createTokenTable, type TokenSource, type TokenTable } from '#lib/webgpu/grammar/tokens.ts';
import type { ModelRegistry, RegisteredModel } from '#server/models/registry.ts';
import { badParam } from '../errors.ts';
import type { ModelDirectory, ModelText, ServedModel } from './directory.ts';
import { PromptClient } from './prompt-client.ts';

/** Models whose text is in memory at once: a tokenizer of 128k tokens takes about 100 MB. */
const TEXTS_KEPT_MAX = 4;

interface Loaded {
  readonly text: Promise<ModelText>;
  readonly prompts: PromptClient;
}

/** The gateway's view of the packages that this server serves: clients choose among these. */
export function directoryOf(
  registry: ModelRegistry,
  served: readonly RegisteredModel[],
): ModelDirectory {
  const models = new Map<string, ServedModel>();
  for (const model of served) models.set(model.manifest.id, servedModel(model));
  /** In order of last use; promises, so that requests at once load a model's text once. */
  const texts = new Map<ManifestHash, Loaded>();
  const forget = (hash: ManifestHash) => {
    texts.get(hash)?.prompts.close();
    texts.delete(hash);
  };
  return {
    list: () => [...models.values()],
    find: (id) => models.get(id) ?? null,
    text(model) {
      const loaded = texts.get(model.hash) ?? load(registry, model);
      texts.delete(model.hash);
      texts.set(model.hash, loaded);
      // One that failed is tried again by the next request.
      loaded.text.catch(() => forget(model.hash));
      if (texts.size > TEXTS_KEPT_MAX) forget(must(texts.keys().next().value, 'not empty'));
      return loaded.text;
    },
    close: () => [...texts.keys()].forEach(forget),
  };
}

function load(registry: ModelRegistry, { id }: ServedModel): Loaded {
  const prompts = new PromptClient(registry.get(id).folder);
  const text = Promise.all([registry.openPackage(id), prompts.open()]).then(([{ tokenizer }]) => ({
    read: (prompt: Parameters<ModelText['read']>[0]) => prompts.read(prompt),
    stream: () => tokenizer.stream({ skipSpecial: true }),
    bytesOf: (id: number) => tokenizer.bytesOf(id),
    grammar: grammarReader(tokenizer),
  }));
  return { text, prompts };
}

/** The vocabulary is read before a request asks (50 ms), so that refusals come at once. */
function grammarReader(tokenizer: TokenSource): ModelText['grammar'] {
  const table = tableOf(tokenizer);
  return (schema) => {
    if (table) return parseGrammar(schema, table);
    const message = 'The vocabulary of this model cannot spell every JSON text.';
    throw badParam('response_format', message, 'request/unsupported');
  };
}

function tableOf(tokenizer: TokenSource): TokenTable | null {
  try {
    return createTokenTable(tokenizer);
  } catch (error) {
    if (isFault(error, 'package/unsupported')) return null;
    throw error;
  }
}

const servedModel = ({ manifest, hash }: RegisteredModel): ServedModel => ({
  id: manifest.id,
  hash,
  name: manifest.name,
  licence: manifest.licence,
  layers: manifest.shape.layers,
  vocab: manifest.shape.vocab,
  contextMax: manifest.shape.contextMax,
  eosIds: manifest.tokenizer.eosIds,
});
