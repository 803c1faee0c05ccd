import { isFault } from '#lib/kernel/errors.ts';
import { GrammarState, type Grammar } from '#lib/webgpu/grammar/grammar.ts';
import { GRAMMAR } from '#lib/webgpu/grammar/limits.ts';
import { badParam } from '../errors.ts';
import type { ModelText } from '../models/directory.ts';
import { isRecord, type CompletionBody, type Format } from './completion.ts';

const PARAM = 'response_format';

/** What an answer has to fit: as JSON for who samples, as read for who looks at what was sampled. */
export interface AnswerFormat {
  readonly schema: string;
  readonly grammar: Grammar;
}

/**
 * What the answer has to fit; null: any text. Read here, so that what cannot be is refused before a
 * session.
 * @throws FaultError `request/invalid`, `request/unsupported`, naming the parameter.
 */
export function formatOf(
  body: CompletionBody,
  text: Pick<ModelText, 'grammar'>,
): AnswerFormat | null {
  const schema = body.response_format ? schemaOf(body.response_format) : null;
  if (schema === null) return null;
  if (body.ignore_eos === true) {
    const message = "'ignore_eos' goes on where the JSON has ended: leave it out.";
    throw badParam('ignore_eos', message, 'request/unsupported');
  }
  const grammar = text.grammar(schema);
  checkAccepted(grammar, body.declai?.resume?.accepted_ids ?? []);
  return { schema, grammar };
}

function schemaOf(format: Format): string | null {
  switch (format.type) {
    case 'text':
      return null;
    case 'json_object':
      return '"json"';
    case 'json_schema': {
      const named = format['json_schema'];
      if (!isRecord(named) || !isRecord(named['schema'])) {
        throw badParam(
          PARAM,
          `Invalid value for '${PARAM}': json_schema.schema must be an object.`,
        );
      }
      return written(named['schema']);
    }
    default: {
      const message = `'${PARAM}' is text, json_object or json_schema here.`;
      throw badParam(PARAM, message, 'request/unsupported');
    }
  }
}

function written(schema: object): string {
  const text = asJson(schema);
  if (text !== null && text.length <= GRAMMAR.schemaCharsMax) return text;
  const most = `${GRAMMAR.schemaCharsMax / 1024} KB`;
  const message = `'${PARAM}': the schema is larger than ${most}, or too deep to be written.`;
  throw badParam(PARAM, message, 'request/unsupported');
}

/** Null where members that no grammar reads are nested deeper than the stack. */
function asJson(schema: object): string | null {
  try {
    return JSON.stringify(schema);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** An answer that is resumed fits so far, or who samples could not go on. */
function checkAccepted(grammar: Grammar, acceptedIds: readonly number[]): void {
  try {
    new GrammarState(grammar, acceptedIds);
  } catch (error) {
    if (!isFault(error, 'wire/malformed')) throw error;
    throw badParam('declai.resume', `accepted_ids do not fit '${PARAM}'.`);
  }
}
