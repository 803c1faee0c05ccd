import * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';

/**
 * What the page reads of a streamed chunk (`docs/api.md`). Unknown members are ignored: the
 * dialect is OpenAI's and may grow.
 */

const tokenIds = z.array(z.number()).check(z.maxLength(1 << 17));

const placeSchema = z.object({
  node: z.string().check(z.maxLength(128)),
  kind: z.enum(['tab', 'node']),
  first_layer: z.number(),
  last_layer: z.number(),
  path: z.enum(['direct', 'relay']),
});
export type RoutePlace = z.infer<typeof placeSchema>;

const declaiSchema = z.object({
  /** Name of the answer for `/api/answers/{id}`: unguessable, known to its reader alone. */
  answer: z.optional(z.string().check(z.maxLength(128))),
  /** Index of the chunk's first token in the answer. */
  index: z.optional(z.number().check(z.int(), z.gte(0))),
  route: z.optional(z.array(placeSchema).check(z.maxLength(64))),
  /** A failover: `at_index` is the first token of the new route. */
  moved: z.optional(z.object({ at_index: z.number() })),
});

const chunkSchema = z.object({
  id: z.optional(z.string().check(z.maxLength(128))),
  choices: z.array(
    z.object({
      delta: z.nullish(z.object({ content: z.nullish(z.string()) })),
      finish_reason: z.nullish(z.string()),
      token_ids: z.nullish(tokenIds),
    }),
  ),
  prompt_token_ids: z.nullish(tokenIds),
  declai: z.nullish(declaiSchema),
});
export type Chunk = z.infer<typeof chunkSchema>;

const errorSchema = z.object({
  error: z.object({ message: z.string(), code: z.nullish(z.string()) }),
});

export type StreamEvent =
  | { readonly type: 'chunk'; readonly chunk: Chunk }
  | { readonly type: 'error'; readonly code: string; readonly message: string }
  /** `[DONE]`: the answer is whole. */
  | { readonly type: 'end' };

/** @throws FaultError `wire/malformed` where the data is neither a chunk, an error nor the end. */
export function readEvent(data: string): StreamEvent {
  if (data === '[DONE]') return { type: 'end' };
  const json = parseJson(data);
  const failed = errorSchema.safeParse(json);
  if (failed.success) {
    const { code, message } = failed.data.error;
    return { type: 'error', code: code ?? 'unknown', message };
  }
  const chunk = chunkSchema.safeParse(json);
  if (chunk.success) return { type: 'chunk', chunk: chunk.data };
  throw new FaultError('wire/malformed', 'a chunk of the answer cannot be read');
}

/** The `error` of a refused request; a body that is none of ours keeps the status as its code. */
export function readRefusal(body: string, status: number): { code: string; message: string } {
  const parsed = errorSchema.safeParse(tolerantJson(body));
  if (!parsed.success) return { code: `http.${String(status)}`, message: '' };
  return {
    code: parsed.data.error.code ?? `http.${String(status)}`,
    message: parsed.data.error.message,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FaultError('wire/malformed', 'a chunk of the answer is not JSON', { cause });
  }
}

function tolerantJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
