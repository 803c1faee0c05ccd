import type { Page } from 'playwright-core';

const SSE = { 'content-type': 'text/event-stream' };

/** Refuses every question of the page from now on, in the gateway's own form. */
export async function refuseAsks(
  page: Page,
  refusal: { status: number; code: string; message?: string; headers?: Record<string, string> },
): Promise<void> {
  const { status, code, message = '', headers = {} } = refusal;
  const body = JSON.stringify({ error: { message, code } });
  await page.route('**/v1/chat/completions', (route) => route.fulfill({ status, headers, body }));
}

/** Answers every question with these events, all in one piece. */
export async function answerAsks(page: Page, events: readonly string[]): Promise<void> {
  const body = events.map((data) => `data: ${data}\n\n`).join('');
  await page.route('**/v1/chat/completions', (route) => route.fulfill({ headers: SSE, body }));
}

/** An answer of `count` words, a token each, as the gateway streams it. */
export function wordsStreamed(count: number): string[] {
  const token = (index: number): string =>
    JSON.stringify({
      choices: [{ delta: { content: `word ${String(index)} ` }, token_ids: [index] }],
      declai: { answer: 'canned', index },
    });
  const end = JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }] });
  return [...Array.from({ length: count }, (_, index) => token(index)), end, '[DONE]'];
}
