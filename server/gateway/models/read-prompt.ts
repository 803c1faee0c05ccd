import { isFault } from '#lib/kernel/errors.ts';
import { literalTexts } from '#lib/shard/package/literal-text.ts';
import type { OpenPackage } from '#lib/shard/package/package-folder.ts';
import { badParam } from '../errors.ts';
import { boundedTemplate } from './bounded-template.ts';
import type { ChatMessage, Prompt } from './directory.ts';

/** Prompts of one model to token ids: template and tokenizer. Can take seconds; runs in a worker. */
export function promptReader(
  open: Pick<OpenPackage, 'manifest' | 'tokenizer'>,
): (prompt: Prompt) => number[] {
  const { manifest, tokenizer } = open;
  const { chatTemplate } = manifest;
  const chat = chatTemplate === null ? null : chatReader(chatTemplate, tokenizer);
  return (prompt) => {
    if (prompt.kind === 'text') {
      return tokenizer.encode(prompt.text, { addBos: manifest.tokenizer.addBos });
    }
    if (!chat) {
      const message = `${manifest.id} has no chat template: use /v1/completions.`;
      throw badParam('model', message, 'request/unsupported');
    }
    return chat(prompt.messages);
  };
}

/** What a person writes stays text; the special tokens of a prompt are the template's own. */
function chatReader(
  source: string,
  tokenizer: OpenPackage['tokenizer'],
): (messages: readonly ChatMessage[]) => number[] {
  const template = boundedTemplate(source);
  const { bosText, eosText, specialTexts } = tokenizer;
  return (messages) => {
    try {
      const contents = messages.map(({ content }) => content);
      const { texts, mark } = literalTexts(contents, { specialTexts, template: source });
      const literal = messages.map(({ role }, at) => ({ role, content: texts[at] ?? '' }));
      const input = { messages: literal, addGenerationPrompt: true, bosText, eosText };
      // The template writes the begin token itself where the model wants one.
      return tokenizer.encode(template(input), { mark });
    } catch (error) {
      if (!isFault(error, 'request/invalid')) throw error;
      throw badParam('messages', error.message);
    }
  };
}
