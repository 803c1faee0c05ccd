import { badParam } from '../errors.ts';

/**
 * Parameters that would change the answer and are not there yet, each with the values that leave
 * it as it is. A no-op value passes; anything else is a 400 that names it, never silence.
 * Parameters in no list are unknown and ignored.
 */
type NoOp = (value: unknown) => boolean;

const only =
  (...values: unknown[]): NoOp =>
  (value) =>
    values.includes(value);
const emptyList: NoOp = (value) => Array.isArray(value) && value.length === 0;
const emptyObject: NoOp = (value) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length === 0;
const never: NoOp = () => false;
const textOnly: NoOp = (value) =>
  Array.isArray(value) && value.every((modality) => modality === 'text');

/** Both doors: OpenAI's, then vLLM's. */
const COMMON: Readonly<Record<string, NoOp>> = {
  best_of: only(1),
  length_penalty: only(1),
  min_tokens: only(0),
  use_beam_search: only(false),
  skip_special_tokens: only(true),
  include_stop_str_in_output: only(false),
  stop_token_ids: emptyList,
  bad_words: emptyList,
  allowed_token_ids: emptyList,
  logits_processors: emptyList,
  prompt_logprobs: only(0, false),
  truncate_prompt_tokens: never,
  structured_outputs: never,
  guided_json: never,
  guided_regex: never,
  guided_choice: never,
  guided_grammar: never,
};

const CHAT_ONLY: Readonly<Record<string, NoOp>> = {
  tools: emptyList,
  tool_choice: only('none', 'auto'),
  functions: emptyList,
  function_call: only('none', 'auto'),
  modalities: textOnly,
  audio: never,
  reasoning_effort: only('none'),
  verbosity: only('medium'),
  web_search_options: never,
  echo: only(false),
  add_generation_prompt: only(true),
  continue_final_message: only(false),
  chat_template: never,
  chat_template_kwargs: emptyObject,
  documents: emptyList,
};

const COMPLETIONS_ONLY: Readonly<Record<string, NoOp>> = {
  echo: only(false),
  suffix: only(''),
};

export const UNSUPPORTED = {
  chat: { ...COMMON, ...CHAT_ONLY },
  completions: { ...COMMON, ...COMPLETIONS_ONLY },
} as const;

/** @throws FaultError `request/unsupported` naming the first such parameter; null is "not given". */
export function refuseUnsupported(body: object, door: keyof typeof UNSUPPORTED): void {
  for (const [name, isNoOp] of Object.entries(UNSUPPORTED[door])) {
    if (!Object.hasOwn(body, name)) continue;
    const value = (body as Record<string, unknown>)[name];
    if (value === null || isNoOp(value)) continue;
    const message = `'${name}' with this value is not supported here: leave it out.`;
    throw badParam(name, message, 'request/unsupported');
  }
}
