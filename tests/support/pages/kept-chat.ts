import type { Page } from 'playwright-core';

/**
 * A conversation of `count` messages as this browser would have kept it, written straight into its
 * store: the page must have opened it once. Prompts and answers in turns, answers with code, a list
 * and a table, as models write them.
 */
export async function keepChat(page: Page, id: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, seq) => messageOf(id, seq));
  await page.evaluate(WRITE, {
    conversation: { id, title: 'A long one', createdAt: 1, updatedAt: 1 },
    messages,
  });
}

const ANSWER = `Because **steering** moves the wheels back under the rider.

1. It leans, and the front wheel turns into the lean.
2. That turn carries the wheels under the centre of mass.

| Speed | Steering |
| --- | --- |
| slow | large |

\`\`\`python
def lean(speed, angle):
    return angle / max(speed, 0.1)
\`\`\`

Gyroscopic effects help a little, but a bicycle without them stays upright too.`;

function messageOf(conversationId: string, seq: number): object {
  const base = { id: `${conversationId}-${String(seq)}`, conversationId, seq, open: 0 };
  const number = `Number ${String(seq)}.`;
  if (seq % 2 === 0)
    return { ...base, role: 'user', text: `${number} Why does a bicycle stay up?` };
  return {
    ...base,
    role: 'assistant',
    settings: { model: null, systemPrompt: '', temperature: 0, maxTokens: 40 },
    answer: {
      phase: { type: 'done', finish: 'stop' },
      ...{ model: 'smollm2-135m-instruct', seed: 1, answerId: null, promptIds: [1] },
      acceptedIds: Array.from({ length: 120 }, (_, index) => index),
      text: `${number} ${ANSWER}`,
      ...{ marks: [], route: [], askedAt: 0, firstTokenAt: 100, lastTokenAt: 1_300 },
    },
  };
}

type Kept = { readonly conversation: object; readonly messages: readonly object[] };

/** Runs in the page. */
const WRITE = async ({ conversation, messages }: Kept): Promise<void> => {
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open('declai-chat');
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(new Error('the store does not open'));
  });
  const write = db.transaction(['conversations', 'messages'], 'readwrite');
  write.objectStore('conversations').put(conversation);
  for (const message of messages) write.objectStore('messages').put(message);
  await new Promise<void>((resolve) => (write.oncomplete = () => resolve()));
  db.close();
};
