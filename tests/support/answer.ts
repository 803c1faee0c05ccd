/** One answer through the public API, with what its reader saw and when. */
export interface SeenAnswer {
  readonly ids: number[];
  readonly text: string;
  readonly finish: string | null;
  readonly error: { code: string | null; message: string } | null;
  /** Milliseconds from the request to each token. */
  readonly arrivals: number[];
  readonly routes: { readonly places: RoutePlaceSeen[]; readonly index: number }[];
  readonly session: string | null;
}

export interface RoutePlaceSeen {
  readonly node: string;
  readonly kind: string;
  readonly first_layer: number;
  readonly last_layer: number;
  readonly path: string;
}

interface Chunk {
  readonly error?: { code: string | null; message: string };
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string };
    readonly finish_reason: string | null;
    readonly token_ids?: readonly number[];
  }[];
  readonly declai?: { readonly session?: string; readonly route?: RoutePlaceSeen[] };
}

export interface AskOptions {
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly onToken?: (count: number) => void;
  readonly signal?: AbortSignal;
}

/** Streams `/v1/completions` on exact prompt ids; greedy unless `extra` says otherwise. */
export async function ask(url: string, options: AskOptions): Promise<SeenAnswer> {
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'smollm2-135m-instruct',
      prompt: options.promptIds,
      max_tokens: options.maxTokens,
      temperature: 0,
      stream: true,
      return_token_ids: true,
      ...options.extra,
    }),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const seen = new Seen(startedAt, options.onToken);
  if (!response.ok) {
    const body = (await response.json()) as { error: { code: string; message: string } };
    return { ...seen.result(), error: body.error };
  }
  for await (const data of sse(response)) seen.take(JSON.parse(data) as Chunk);
  return seen.result();
}

class Seen {
  readonly #ids: number[] = [];
  readonly #arrivals: number[] = [];
  readonly #routes: SeenAnswer['routes'] = [];
  #text = '';
  #finish: string | null = null;
  #error: SeenAnswer['error'] = null;
  #session: string | null = null;
  readonly #startedAt: number;
  readonly #onToken: ((count: number) => void) | undefined;

  constructor(startedAt: number, onToken?: (count: number) => void) {
    this.#startedAt = startedAt;
    this.#onToken = onToken;
  }

  take(chunk: Chunk): void {
    if (chunk.error) this.#error = chunk.error;
    if (chunk.declai?.session) this.#session = chunk.declai.session;
    if (chunk.declai?.route) {
      this.#routes.push({ places: chunk.declai.route, index: this.#ids.length });
    }
    const choice = chunk.choices?.[0];
    if (!choice) return;
    this.#text += choice.text ?? choice.delta?.content ?? '';
    if (choice.finish_reason) this.#finish = choice.finish_reason;
    for (const id of choice.token_ids ?? []) {
      this.#ids.push(id);
      this.#arrivals.push(performance.now() - this.#startedAt);
      this.#onToken?.(this.#ids.length);
    }
  }

  result(): SeenAnswer {
    return {
      ids: this.#ids,
      text: this.#text,
      finish: this.#finish,
      error: this.#error,
      arrivals: this.#arrivals,
      routes: this.#routes,
      session: this.#session,
    };
  }
}

/** The `data:` payloads of a stream up to `[DONE]`. */
async function* sse(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    rest += decoder.decode(bytes, { stream: true });
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (!event.startsWith('data: ')) continue;
      const data = event.slice(6);
      if (data === '[DONE]') return;
      yield data;
    }
  }
}

/** Longest wait between two tokens, milliseconds. */
export const longestGapMs = (seen: SeenAnswer): number =>
  seen.arrivals.reduce(
    (gap, at, i) => Math.max(gap, i === 0 ? 0 : at - (seen.arrivals[i - 1] ?? 0)),
    0,
  );

/** Tokens a second after the first token. */
export function decodeRate(seen: SeenAnswer): number {
  const spanMs = (seen.arrivals.at(-1) ?? 0) - (seen.arrivals[0] ?? 0);
  return (1000 * (seen.arrivals.length - 1)) / spanMs;
}
