import { isFault } from '#lib/kernel/errors.ts';
import type { ChatTemplate } from '#lib/shard/package/chat-template.ts';
import type { OpenPackage } from '#lib/shard/package/package-folder.ts';
import { badParam } from '../errors.ts';
import { boundedTemplate } from './bounded-template.ts';
import type { ChatMessage, Prompt } from './directory.ts';

/** Prompts of one model to token ids: template and tokenizer. Can take seconds; runs in a worker. */
export function promptReader(
  open: Pick<OpenPackage, 'manifest' | 'tokenizer'>,
): (prompt: Prompt) => number[] {
  const { manifest, tokenizer } = open;
  const template = manifest.chatTemplate === null ? null : boundedTemplate(manifest.chatTemplate);
  return (prompt) => {
    if (prompt.kind === 'text') {
      return tokenizer.encode(prompt.text, { addBos: manifest.tokenizer.addBos });
    }
    if (!template) {
      const message = `${manifest.id} has no chat template: use /v1/completions.`;
      throw badParam('model', message, 'request/unsupported');
    }
    // The template writes the begin token itself where the model wants one.
    return tokenizer.encode(render(template, prompt.messages, tokenizer));
  };
}

function render(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { bosText, eosText }: OpenPackage['tokenizer'],
): string {
  try {
    return template({ messages, addGenerationPrompt: true, bosText, eosText });
  } catch (error) {
    if (!isFault(error, 'request/invalid')) throw error;
    throw badParam('messages', error.message);
  }
}
