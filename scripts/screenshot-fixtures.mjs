import { createServer } from 'node:http';

/**
 * A gateway that says what a picture needs. It exists for `screenshots.mjs` alone, which points the
 * page's requests here; the product never sees it.
 */

const MODEL = 'smollm2-135m-instruct';
const NODES = ['a3f91c7e', 'b71d22aa', '09ee41cd'].map((digits) => digits.repeat(8));
const ROUTE = NODES.map((node, place) => ({
  node,
  kind: place === 2 ? 'node' : 'tab',
  first_layer: place * 10,
  last_layer: place * 10 + 9,
  path: 'direct',
}));

const ANSWER = `A bicycle stays upright because **steering moves the wheels back under the rider**.

1. It leans, and the front wheel turns into the lean.
2. That turn carries the wheels under the centre of mass.
3. The faster it goes, the less steering it needs.

| Speed | Steering needed |
| --- | --- |
| walking pace | large, constant |
| 20 km/h | small |

\`\`\`python
def lean(speed, angle):
    return angle / max(speed, 0.1)
\`\`\`

Gyroscopic effects help a little, but a bicycle without them stays upright too.`;

/** What the gateway does, by the name of the picture. */
const SCENES = new Set(['covered', 'busy', 'moved', 'no-cover', 'queue', 'lost']);

/** @returns {Promise<{url: string, play: (scene: string) => void, close: () => void}>} */
export async function startFixtures() {
  let scene = 'covered';
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://fixtures');
    request.resume();
    if (pathname === '/v1/models') return json(response, 200, { data: [{ id: MODEL }] });
    if (pathname === '/api/status') return json(response, 200, statusOf(scene));
    if (pathname === '/v1/chat/completions') return void answer(response, scene);
    if (pathname.startsWith('/api/answers/')) return void answer(response, scene);
    return json(response, 404, { error: { message: 'no such door', code: 'not_found' } });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    play(next) {
      if (!SCENES.has(next)) throw new Error(`no such scene: ${next}`);
      scene = next;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function statusOf(scene) {
  const missing = scene === 'no-cover';
  const nodes = NODES.slice(0, missing ? 2 : 3);
  return {
    nodes: nodes.map((id) => ({ id, kind: 'tab', state: 'ready' })),
    models: [{ id: MODEL, layers: 30, uncovered: missing ? [{ first: 20, last: 29 }] : [] }],
  };
}

async function answer(response, scene) {
  if (scene === 'no-cover') {
    const message = `No node holds layers 20–29 of ${MODEL}. Open /volunteer in a tab to lend them.`;
    response.setHeader('retry-after', '30');
    return json(response, 429, { error: { message, code: 'refuse.no_cover' } });
  }
  if (scene === 'queue') {
    const message = 'More requests than helpers just now.';
    response.setHeader('retry-after', '14');
    return json(response, 429, { error: { message, code: 'refuse.queue' } });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (value) => response.write(`data: ${JSON.stringify(value)}\n\n`);
  const pieces = ANSWER.match(/\s*\S+/g);
  send(chunk({ role: 'assistant', content: '' }, { answer: 'fixture', index: 0, route: ROUTE }));
  const last = scene === 'covered' || scene === 'moved' ? pieces.length : 40;
  for (let index = 0; index < last && !response.destroyed; index += 1) {
    const moved = scene === 'moved' && index === 17 ? { moved: { at_index: index } } : {};
    send(chunk({ content: pieces[index] }, { index, ...moved }, [index]));
    await new Promise((resolve) => setTimeout(resolve, 12));
  }
  if (scene === 'busy') return;
  if (scene === 'lost') {
    send({ error: { message: 'The answer could not be continued.', code: 'answer.lost' } });
  } else {
    send({
      ...chunk({}, { index: last }),
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    });
    response.write('data: [DONE]\n\n');
  }
  response.end();
}

const chunk = (delta, declai, ids = []) => ({
  id: 'fixture',
  choices: [{ index: 0, delta, finish_reason: null, token_ids: ids }],
  declai,
});
