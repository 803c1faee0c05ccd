import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { ModelId, NodeId, SessionId } from '#lib/kernel/ids.ts';
import { NODE_STATES, type NodeState } from '#lib/shard/wire/node-messages.ts';
import type { ClusterView, NodeView } from '#server/orchestrator/answers.ts';
import { LOSS_CAUSES } from '#server/orchestrator/state.ts';
import { Operator } from '#server/operator/operator.ts';

const node = 'a'.repeat(64) as NodeId;
const session = 'b'.repeat(32) as SessionId;
const silent = { write: () => undefined, dropped: 3 };

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** The operator behind a port, as the server has it. */
async function served() {
  const operator = new Operator('silent', silent);
  const server = createServer((req, res) => {
    if (!operator.serve(req, res)) res.writeHead(404).end('not the operator’s');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  /** Sent as it is written: `fetch` would clean the path. */
  const ask = (path: string, method = 'GET') =>
    new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
      const req = request({ port, host: '127.0.0.1', path, method, agent: false }, (res) => {
        let text = '';
        res.on('data', (part: Buffer) => (text += part.toString()));
        res.on('end', () => {
          resolve({ status: res.statusCode ?? 0, type: res.headers['content-type'] ?? '', text });
        });
      });
      req.on('error', reject);
      req.end();
    });
  return { operator, ask };
}

/** Samples by name with labels; every line must be a comment or a sample. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('# '));
  const sample = /^([a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)+\})?) (\S+)$/;
  return new Map(
    lines.map((line) => {
      const [, name, value] = sample.exec(line) ?? [];
      expect(name, line).toBeDefined();
      return [name!, Number(value)];
    }),
  );
}

const viewOf = (states: readonly NodeState[]): ClusterView => ({
  nodes: states.map((state) => ({ state }) as NodeView),
  routes: [],
  ...{ sessions: 2, queued: 5, relayedBytes: 1_234 },
  uncovered: [{ model: 'm' as ModelId, ranges: [{ first: 3, last: 9 }] }],
});

const ended = { session, end: 'stop', promptTokens: 7, tokens: 20, ttftMs: 300 } as const;

test('[O1] a scrape has the cluster, the answers and the process, in Prometheus’ text', async () => {
  const { operator, ask } = await served();
  operator.watch(() => viewOf(['serving', 'serving', 'ready', 'lost']));
  operator.answerEnded({ ...ended, tokensPerSecond: 50 });
  operator.answerEnded({
    ...{ ...ended, session: null, end: 'answer.lost' },
    ...{ tokens: 0, ttftMs: null, tokensPerSecond: null },
  });
  operator.requestRefused('refuse.queue');
  operator.socketRefused('mesh/limit');
  operator.cluster.write({ event: 'node-joined', node, device: 'x' });
  operator.cluster.write({ event: 'node-lost', node, cause: 'silent' });
  operator.cluster.write({
    ...{ event: 'failover', session, epoch: 2, node, cause: 'silent' },
    ...{ detectMs: 2_000, planMs: 1, loadMs: 300, replayMs: 99, totalMs: 2_400 },
  });

  const { status, type, text } = await ask('/metrics');
  expect(status).toBe(200);
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = samplesOf(text);
  expect(Object.fromEntries(samples)).toMatchObject({
    'declai_nodes{state="serving"}': 2,
    'declai_nodes{state="ready"}': 1,
    'declai_nodes{state="lost"}': 1,
    'declai_nodes{state="paused"}': 0,
    declai_sessions: 2,
    declai_queue_length: 5,
    declai_uncovered_layers: 7,
    declai_relayed_bytes_total: 1_234,
    declai_log_lines_dropped_total: 3,
    'declai_answers_total{end="stop"}': 1,
    'declai_answers_total{end="answer.lost"}': 1,
    declai_prompt_tokens_total: 14,
    declai_generated_tokens_total: 20,
    declai_time_to_first_token_seconds_count: 1,
    declai_time_to_first_token_seconds_sum: 0.3,
    'declai_time_to_first_token_seconds_bucket{le="0.25"}': 0,
    'declai_time_to_first_token_seconds_bucket{le="0.5"}': 1,
    declai_tokens_per_second_count: 1,
    'declai_tokens_per_second_bucket{le="40"}': 0,
    'declai_tokens_per_second_bucket{le="80"}': 1,
    'declai_failovers_total{cause="silent"}': 1,
    'declai_failovers_total{cause="left"}': 0,
    'declai_failover_pause_seconds_sum{phase="detect"}': 2,
    'declai_failover_pause_seconds_sum{phase="load"}': 0.3,
    'declai_failover_pause_seconds_sum{phase="replay"}': 0.099,
    'declai_failover_pause_seconds_sum{phase="total"}': 2.4,
    'declai_refusals_total{door="api",code="refuse.queue"}': 1,
    'declai_refusals_total{door="node",code="mesh/limit"}': 1,
    declai_nodes_joined_total: 1,
    'declai_nodes_lost_total{cause="silent"}': 1,
  });
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(samples.get('process_cpu_user_seconds_total')).toBeGreaterThan(0);
  expect([...samples.keys()].filter((name) => name.startsWith('declai_nodes{'))).toHaveLength(
    NODE_STATES.length,
  );
  expect([...samples.keys()].filter((name) => name.startsWith('declai_failovers_'))).toHaveLength(
    LOSS_CAUSES.length,
  );
});

test('[O1] no node, session or address is a label: a scrape does not grow with them', async () => {
  const { operator, ask } = await served();
  const ours = (text: string) =>
    [...samplesOf(text).keys()].filter((name) => name.startsWith('declai_')).length;
  const before = ours((await ask('/metrics')).text);
  for (let n = 0; n < 500; n += 1) {
    const id = n.toString(16).padStart(64, '0') as NodeId;
    operator.cluster.write({ event: 'node-joined', node: id, device: `device ${n}` });
    operator.cluster.write({ event: 'node-lost', node: id, cause: 'left' });
    operator.answerEnded({ ...ended, session: `${n}`, tokensPerSecond: n });
  }
  // `end="stop"` is new.
  expect(ours((await ask('/metrics')).text) - before).toBe(1);
});

test('[O1] before there is a cluster a scrape says zero; totals do not grow by being read', async () => {
  const { operator, ask } = await served();
  expect(samplesOf((await ask('/metrics')).text).get('declai_sessions')).toBe(0);
  operator.watch(() => viewOf(['ready']));
  await ask('/metrics');
  const samples = samplesOf((await ask('/metrics')).text);
  expect(samples.get('declai_relayed_bytes_total')).toBe(1_234);
});

test('[O1] only GET and HEAD of /metrics itself, however else the path is spelled', async () => {
  const { ask } = await served();
  expect((await ask('/metrics?x=1')).status).toBe(200);
  expect(await ask('/metrics', 'HEAD')).toMatchObject({ status: 200, text: '' });
  expect((await ask('/metrics', 'POST')).status).toBe(405);
  for (const path of ['/metrics/', '//metrics', '/x/../metrics', '/%6detrics', '/Metrics']) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
});
