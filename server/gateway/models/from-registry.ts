import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ManifestHash } from '#lib/kernel/ids.ts';
import { compileTemplate } from '#lib/shard/package/chat-template.ts';
import type { OpenPackage } from '#lib/shard/package/package-folder.ts';
import type { ModelRegistry, RegisteredModel } from '#server/models/registry.ts';
import type { ModelDirectory, ModelText, ServedModel } from './directory.ts';

/** Tokenizers in memory at once: one of 128k tokens takes about 100 MB. */
const TEXTS_KEPT_MAX = 4;

/** The gateway's view of the model packages of this machine. */
export function directoryOf(registry: ModelRegistry): ModelDirectory {
  /** In order of last use; promises, so that requests at once load a tokenizer once. */
  const texts = new Map<ManifestHash, Promise<ModelText>>();
  return {
    list: () => registry.list().map(servedModel),
    find: (id) => (registry.has(id) ? servedModel(registry.get(id)) : null),
    text(model) {
      const loaded = texts.get(model.hash) ?? registry.openPackage(model.id).then(modelText);
      texts.delete(model.hash);
      texts.set(model.hash, loaded);
      // One that failed is tried again by the next request.
      loaded.catch(() => texts.delete(model.hash));
      if (texts.size > TEXTS_KEPT_MAX) texts.delete(must(texts.keys().next().value, 'not empty'));
      return loaded;
    },
  };
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

function modelText({ manifest, tokenizer }: OpenPackage): ModelText {
  const { addBos } = manifest.tokenizer;
  const template = manifest.chatTemplate === null ? null : compileTemplate(manifest.chatTemplate);
  return {
    chat(messages) {
      if (!template) {
        const message = `${manifest.id} has no chat template: use /v1/completions.`;
        throw new FaultError('request/unsupported', message, { details: { param: 'model' } });
      }
      const { bosText, eosText } = tokenizer;
      // The template writes the begin token itself where the model wants one.
      return tokenizer.encode(template({ messages, addGenerationPrompt: true, bosText, eosText }));
    },
    encode: (text) => tokenizer.encode(text, { addBos }),
    stream: () => tokenizer.stream({ skipSpecial: true }),
  };
}
