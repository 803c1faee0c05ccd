import { describe, expect, it } from 'vitest';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { compileTemplate } from '#lib/shard/package/chat-template.ts';
import { must } from '#lib/kernel/assert.ts';
import { answerRows, tokenizerRows } from './golden-files.ts';

const { manifest, tokenizer } = await openPackageFolder('public/models/smollm2-135m-instruct');

describe('tokenizer of the embedded model', () => {
  it.each(tokenizerRows())('[K7] encodes and decodes $text', ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  it.each(tokenizerRows())('[K7] streams $text token by token', ({ ids, decoded }) => {
    const stream = tokenizer.stream();
    expect(ids.map((id) => stream.push(id)).join('') + stream.flush()).toBe(decoded);
  });

  it.each(answerRows())('[K7] prompt and answer of $name', (row) => {
    const template = compileTemplate(must(manifest.chatTemplate, 'the model chats'));
    const { bosText, eosText } = tokenizer;
    if (row.messages) {
      const input = { messages: row.messages, addGenerationPrompt: true, bosText, eosText };
      expect(template(input)).toBe(row.text);
    }
    expect(tokenizer.encode(row.text)).toEqual(row.promptIds);
    expect(tokenizer.decode(row.greedyIds, { skipSpecial: true })).toBe(row.greedyText);
  });
});
