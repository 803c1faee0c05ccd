import * as z from 'zod/mini';
import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { PACKAGE } from '../limits.ts';
import { decoderSchema, tokenDecoder } from '../token-decoder.ts';
import { idList, type HfConfig } from './hf-config.ts';
import { readJsonFile, readTextFile, requireFile } from './json-file.ts';
import type { SourceTokenizer } from './source.ts';
import { unsupported } from './unsupported.ts';

const component = z.nullish(z.looseObject({ type: z.string() }));

const preStep = {
  type: z.string(),
  individual_digits: z.nullish(z.boolean()),
  split: z.nullish(z.boolean()),
  behavior: z.nullish(z.string()),
};
const preTokenizer = z.looseObject({
  ...preStep,
  pretokenizers: z.nullish(z.array(z.looseObject(preStep))),
});
type PreTokenizer = z.infer<typeof preTokenizer>;

/** Of `tokenizer.json` what decides whether we can run it; the rest goes along unread. */
const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.string(),
    dropout: z.nullish(z.number()),
    continuing_subword_prefix: z.nullish(z.string()),
    end_of_word_suffix: z.nullish(z.string()),
  }),
  pre_tokenizer: z.nullish(preTokenizer),
  post_processor: component,
  decoder: decoderSchema,
  added_tokens: z.array(z.looseObject({ id: z.number(), content: z.string() })),
});
type TokenizerJson = z.infer<typeof tokenizerSchema>;

const tokenText = z.nullish(z.union([z.string(), z.looseObject({ content: z.string() })]));
const namedTemplate = z.object({ name: z.string(), template: z.string() });
const settingsSchema = z.looseObject({
  bos_token: tokenText,
  eos_token: tokenText,
  add_bos_token: z.nullish(z.boolean()),
  chat_template: z.nullish(z.union([z.string(), z.array(namedTemplate)])),
});
type Settings = z.infer<typeof settingsSchema>;

const generationSchema = z.looseObject({
  eos_token_id: z.nullish(z.union([z.number(), z.array(z.number())])),
});

/**
 * Tokenizer and chat template of a Hugging Face folder.
 * @throws FaultError `package/unsupported` for anything but byte-level BPE and SentencePiece's
 *   BPE with byte fallback, by name.
 */
export async function readHfTokenizer(
  folder: string,
  config: HfConfig,
): Promise<{ tokenizer: SourceTokenizer; chatTemplate: string | null }> {
  const json = requireFile(
    await readJsonFile(folder, 'tokenizer.json', tokenizerSchema),
    'tokenizer.json',
  );
  refuseTokenizer(json);
  const settings = (await readJsonFile(folder, 'tokenizer_config.json', settingsSchema)) ?? {};
  const generation = await readJsonFile(folder, 'generation_config.json', generationSchema);
  const pre_tokenizer = withUnicodeDigits(json.pre_tokenizer);
  const bosId = idOf(json, settings.bos_token) ?? idList(config.bos_token_id)[0] ?? null;
  const eosId = idOf(json, settings.eos_token);
  const kept = { ...settings, chat_template: undefined };
  const eosIds = [
    ...(eosId === null ? [] : [eosId]),
    ...idList(generation?.eos_token_id),
    ...idList(config.eos_token_id),
  ];
  const tokenizer = {
    bosId,
    addBos: bosId !== null && addsBos(json, settings, bosId),
    eosIds: [...new Set(eosIds)],
    bytes: utf8(JSON.stringify({ tokenizer: { ...json, pre_tokenizer }, config: kept })),
  };
  return { tokenizer, chatTemplate: await chatTemplateOf(folder, settings) };
}

function refuseTokenizer({ model, decoder, pre_tokenizer }: TokenizerJson): void {
  if (model.type !== 'BPE') throw unsupported(`tokenizer ${model.type.slice(0, 64)}`);
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix'] as const) {
    if (model[name]) throw unsupported(`tokenizer with ${name}`);
  }
  tokenDecoder(decoder);
  for (const step of [pre_tokenizer, ...(pre_tokenizer?.pretokenizers ?? [])]) {
    // In Rust it cuts before every space; the JavaScript library leaves the text whole.
    if (step?.type === 'Metaspace' && step.split !== false) {
      throw unsupported('pre-tokenizer Metaspace that splits');
    }
    // The library cuts in these two ways, whatever else is asked for.
    if (step?.type === 'Split' && step.behavior !== 'Isolated' && step.behavior !== 'Removed') {
      throw unsupported(`pre-tokenizer Split of behavior ${step.behavior?.slice(0, 64) ?? 'none'}`);
    }
  }
}

/**
 * `Digits` in Rust splits every Unicode number, in the JavaScript library only 0–9; as a `Split`
 * both do what the model was trained with.
 */
function withUnicodeDigits(step: PreTokenizer | null | undefined): PreTokenizer | null {
  if (!step) return null;
  if (step.type === 'Sequence' && step.pretokenizers) {
    return { ...step, pretokenizers: step.pretokenizers.map((inner) => digitsAsSplit(inner)) };
  }
  return digitsAsSplit(step);
}

function digitsAsSplit(step: PreTokenizer): PreTokenizer {
  if (step.type !== 'Digits') return step;
  const pattern = { Regex: step.individual_digits ? '\\p{N}' : '\\p{N}+' };
  return { type: 'Split', pattern, behavior: 'Isolated', invert: false };
}

function idOf(json: TokenizerJson, token: z.infer<typeof tokenText>): number | null {
  const text = typeof token === 'string' ? token : token?.content;
  return json.added_tokens.find((added) => added.content === text)?.id ?? null;
}

const templateSchema = z.looseObject({
  single: z.array(z.looseObject({ SpecialToken: z.optional(z.looseObject({ id: z.string() })) })),
});

/** Whether the tokenizer itself would put the begin token first (Llama 3 says so in a template). */
function addsBos(json: TokenizerJson, settings: Settings, bosId: number): boolean {
  if (typeof settings.add_bos_token === 'boolean') return settings.add_bos_token;
  const post = json.post_processor;
  const steps = post?.type === 'Sequence' ? post['processors'] : [post];
  return (Array.isArray(steps) ? steps : []).some((step) => {
    const first = templateSchema.safeParse(step).data?.single[0]?.SpecialToken?.id;
    return first !== undefined && idOf(json, first) === bosId;
  });
}

async function chatTemplateOf(folder: string, settings: Settings): Promise<string | null> {
  const inSettings = settings.chat_template;
  const template =
    (await readTextFile(folder, 'chat_template.jinja')) ??
    (Array.isArray(inSettings)
      ? inSettings.find((candidate) => candidate.name === 'default')?.template
      : inSettings) ??
    null;
  if (template !== null && template.length > PACKAGE.templateCharsMax) {
    throw new FaultError('package/too-large', 'the chat template is longer than the limit');
  }
  return template;
}
