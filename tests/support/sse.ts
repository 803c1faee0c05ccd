/** What stands in an event stream, line by line: enough of SSE to judge a server by. */
export interface RawStream {
  /** The data of each event; `[DONE]` and errors too. */
  readonly data: readonly string[];
  readonly comments: readonly string[];
  /** Lines that are neither data, comment nor empty: a named event would be one. */
  readonly others: readonly string[];
}

export function parseStream(body: string): RawStream {
  const lines = body.split('\n');
  const rest = lines.filter((line) => line !== '' && !line.startsWith('data: '));
  return {
    data: lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)),
    comments: rest.filter((line) => line.startsWith(':')),
    others: rest.filter((line) => !line.startsWith(':')),
  };
}

export interface WireChunk {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta?: { readonly role?: string; readonly content?: string };
    readonly text?: string;
    readonly finish_reason: string | null;
    readonly token_ids?: readonly number[];
    readonly prompt_token_ids?: readonly number[];
  }[];
  readonly usage?: Record<string, number> | null;
  readonly prompt_token_ids?: readonly number[];
  readonly declai?: Record<string, unknown> & { readonly index?: number; readonly answer?: string };
}

/** The chunks of a stream without `[DONE]` and errors. */
export const chunksOf = (body: string): WireChunk[] =>
  parseStream(body)
    .data.filter((data) => data !== '[DONE]' && !data.startsWith('{"error"'))
    .map((data) => JSON.parse(data) as WireChunk);

export const textOf = (chunks: readonly WireChunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta?.content ?? choices[0]?.text ?? '').join('');

/** Reads a response until `enough`, then leaves it open; `rest` reads what is still to come. */
export async function readUntil(
  response: Response,
  enough: (body: string) => boolean,
): Promise<{ body: string; rest: () => Promise<string> }> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  const read = async (done: (body: string) => boolean) => {
    let body = '';
    while (!done(body)) {
      const next = await reader.read();
      if (next.done) break;
      body += decoder.decode(next.value, { stream: true });
    }
    return body;
  };
  return { body: await read(enough), rest: () => read(() => false) };
}
