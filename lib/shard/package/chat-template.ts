import { Template } from '@huggingface/jinja';
import { FaultError } from '#lib/kernel/errors.ts';
import { PACKAGE } from './limits.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ChatInput {
  readonly messages: readonly ChatMessage[];
  /** Opens the assistant's turn, for an answer to follow. */
  readonly addGenerationPrompt: boolean;
  readonly bosText: string;
  readonly eosText: string;
}

/** Turns messages into the text the model was trained on. */
export type ChatTemplate = (input: ChatInput) => string;

/**
 * A chat template, ready to render. Pure; a hostile template can loop, so whoever renders one of
 * a stranger's package gives it a worker and a deadline.
 * @throws FaultError `package/too-large`, `package/unsupported` where it does not parse; rendering
 *   throws `request/invalid` with the template's own complaint (roles must alternate, …).
 */
export function compileTemplate(source: string): ChatTemplate {
  if (source.length > PACKAGE.templateCharsMax) {
    throw new FaultError('package/too-large', 'the chat template is longer than the limit');
  }
  const template = parse(source);
  return ({ messages, addGenerationPrompt, bosText, eosText }) => {
    try {
      return template.render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: addGenerationPrompt,
        bos_token: bosText,
        eos_token: eosText,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FaultError('request/invalid', `the chat template refuses: ${reason}`, { cause });
    }
  };
}

function parse(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FaultError('package/unsupported', `the chat template: ${reason}`, { cause });
  }
}
