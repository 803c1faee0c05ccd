import { FaultError } from '#lib/kernel/errors.ts';
import type { ManifestHash, ModelId } from '#lib/kernel/ids.ts';
import { parseGrammar } from '#lib/webgpu/grammar/grammar.ts';
import { createTokenTable } from '#lib/webgpu/grammar/tokens.ts';
import type { ModelDirectory, ModelText, ServedModel } from '#server/gateway/models/directory.ts';

/** A model whose tokens are bytes: every character beyond ASCII crosses token borders. */
export const BYTE_EOS = 256;
export const BYTE_MODEL: ServedModel = {
  id: 'bytes' as ModelId,
  hash: 'b'.repeat(64) as ManifestHash,
  name: 'Bytes',
  licence: 'none',
  layers: 30,
  vocab: 257,
  contextMax: 400,
  eosIds: [BYTE_EOS],
};

export const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];

const byteOf = (id: number): Uint8Array => (id < 256 ? Uint8Array.of(id) : new Uint8Array(0));
const tokens = createTokenTable({
  vocab: BYTE_MODEL.vocab,
  eosIds: new Set(BYTE_MODEL.eosIds),
  specialIds: new Set(),
  bytesOf: byteOf,
});

const byteText: ModelText = {
  read(prompt) {
    if (prompt.kind === 'text') return Promise.resolve(bytesOf(prompt.text));
    const text = prompt.messages.map(({ role, content }) => `${role}: ${content}\n`).join('');
    if (prompt.messages[0]?.role !== 'assistant') return Promise.resolve(bytesOf(text));
    return Promise.reject(
      new FaultError('request/invalid', 'the chat template refuses: roles', {
        details: { param: 'messages' },
      }),
    );
  },
  stream() {
    const decoder = new TextDecoder();
    return {
      push: (id) => (id < 256 ? decoder.decode(Uint8Array.of(id), { stream: true }) : '<special>'),
      flush: () => decoder.decode(),
    };
  },
  bytesOf: byteOf,
  grammar: (schema) => parseGrammar(schema, tokens),
};

export const byteModels: ModelDirectory = {
  list: () => [BYTE_MODEL],
  find: (id) => (id === BYTE_MODEL.id ? BYTE_MODEL : null),
  text: () => Promise.resolve(byteText),
  close: () => undefined,
};
