import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import type { ChatInput } from '#lib/shard/package/chat-template.ts';
import { boundedTemplate } from '#server/gateway/models/bounded-template.ts';
import { PromptClient } from '#server/gateway/models/prompt-client.ts';
import { BYTE_MODEL, byteModels } from '#tests/support/byte-model.ts';
import { startGateway } from '#tests/support/gateway-server.ts';
import { begin, errorOf, send } from '#tests/support/raw-http.ts';
import { CHAT } from './http-rig.ts';

/** Chat templates come with packages, and anybody can make a package. */
const GROW = '{% set ns.s = ns.s ~ ns.s %}';
const MEGABYTE = `{% set ns = namespace(s="ab") %}{% for i in range(19) %}${GROW}{% endfor %}`;
const NEST =
  '{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}';

const LOOPS = {
  'a long loop': '{% for i in range(30000) %}{% for j in range(30000) %}{% endfor %}{% endfor %}',
  'a long list': '{% set a = range(1000000000) %}',
  'a nested list, written out': `${NEST}{{ ns.a | tojson }}`,
  'many large texts': `${MEGABYTE}{% for i in range(1000) %}{% set x = ns.s | upper %}{% endfor %}`,
};
const GROWS = {
  'a little over a megabyte': `${MEGABYTE}{{ ns.s }}x`,
  'a hundred gigabytes': `${MEGABYTE}{% for i in range(100000) %}{{ ns.s }}{% endfor %}`,
  'doubling without end': `{% set ns = namespace(s="ab") %}{% for i in range(99) %}${GROW}{% endfor %}{{ ns.s }}`,
  'one wide line': '{{ "a\nb" | indent(100000000) }}',
};
const OUTSIDE = [
  '{{ process }}{{ globalThis }}{{ require }}{{ self }}{{ this }}',
  "{{ ''.constructor.constructor('return process')() }}",
  "{{ range.constructor('return process')() }}",
  '{{ messages.constructor }}{{ messages.__proto__ }}{{ messages[0].__class__.__mro__ }}',
  '{{ messages[0]["constructor"]["constructor"] }}',
  '{{ raise_exception.constructor }}{{ namespace.__globals__ }}{{ lipsum.__globals__ }}',
  "{% include '/etc/passwd' %}",
  "{% import 'fs' as fs %}{{ fs }}",
  "{{ messages | attr('constructor') }}",
  '{% set ns = namespace() %}{% set ns.__proto__ = 5 %}{% set ns.constructor = 5 %}',
];

const input: ChatInput = {
  messages: [{ role: 'user', content: 'hi' }],
  addGenerationPrompt: true,
  bosText: '<s>',
  eosText: '</s>',
};

test('[G29] a template that loops is stopped within its time', () => {
  for (const [name, source] of Object.entries(LOOPS)) {
    const startedAt = performance.now();
    const rendering = () => boundedTemplate(source)(input);
    expect(rendering, name).toThrow(/more than 250 ms/);
    // Twice the bound: the machine may be busy, and memory that was taken is given back.
    expect([name, performance.now() - startedAt < 1_000]).toEqual([name, true]);
  }
});

test('[G29] a template that grows is refused, whatever way it grows', () => {
  for (const [name, source] of Object.entries(GROWS)) {
    let refusal: unknown;
    try {
      boundedTemplate(source)(input);
    } catch (error) {
      refusal = error;
    }
    expect([name, isFault(refusal, 'request/invalid')]).toEqual([name, true]);
  }
  const full = boundedTemplate(`${MEGABYTE}{{ ns.s }}`)(input);
  expect(full).toHaveLength(2 ** 20);
});

test('[G29] a template reaches nothing but what it is given', () => {
  for (const source of OUTSIDE) {
    let text = '';
    try {
      text = boundedTemplate(source)(input);
    } catch (error) {
      expect(isFault(error), source).toBe(true);
    }
    expect([source, text.replaceAll(/undefined|null/g, '').trim()]).toEqual([source, '']);
  }
  expect(({} as Record<string, unknown>)['ns']).toBeUndefined();
});

/** One package whose template does what the first message says. */
const CHOOSES = `{% set what = messages[0].content %}
{%- if what == 'loop' %}${LOOPS['a long loop']}
{%- elif what == 'nest' %}${LOOPS['a nested list, written out']}
{%- elif what == 'grow' %}${GROWS['a hundred gigabytes']}
{%- elif what == 'outside' %}${OUTSIDE[1] ?? ''}
{%- else %}<|im_start|>{{ what }}{% endif %}`;

let folder: string;
beforeAll(async () => {
  const honest = resolve('public/models/smollm2-135m-instruct');
  folder = await mkdtemp(join(tmpdir(), 'declai-hostile-'));
  await mkdir(folder, { recursive: true });
  await symlink(join(honest, 'chunks'), join(folder, 'chunks'));
  const text = await readFile(join(honest, 'manifest.json'), 'utf8');
  const manifest = { ...(JSON.parse(text) as object), chatTemplate: CHOOSES };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('[G29] behind the door it is a 400 in the dialect; a stranger’s answer runs on, the next prompt is read', async () => {
  const prompts = new PromptClient(folder);
  const honest = await byteModels.text(BYTE_MODEL);
  const read = (prompt: Parameters<typeof honest.read>[0]) => prompts.read(prompt);
  const models = { ...byteModels, text: () => Promise.resolve({ ...honest, read }) };
  await prompts.open();
  await using server = await startGateway({}, models);
  const body = { model: 'bytes', prompt: [104, 105], stream: true };
  const bystander = await begin(server.url, { path: '/v1/completions', body });
  const session = server.answers.last;
  const ask = (content: string) =>
    send(server.url, {
      path: CHAT,
      body: { model: 'bytes', messages: [{ role: 'user', content }], max_tokens: 1 },
    });

  // The bystander speaks on while templates hold their thread.
  let gapMs = 0;
  let last = performance.now();
  const speaking = setInterval(() => {
    session.say('a');
    gapMs = Math.max(gapMs, performance.now() - last);
    last = performance.now();
  }, 10);
  for (const what of ['loop', 'nest', 'grow', 'outside']) {
    const { status, body: said } = await ask(what);
    expect([what, status]).toEqual([what, 400]);
    expect(errorOf(said)).toMatchObject({ code: 'invalid_value', param: 'messages' });
  }
  clearInterval(speaking);
  expect(gapMs).toBeLessThan(500);

  expect(await prompts.read({ kind: 'chat', messages: [{ role: 'user', content: 'hi' }] })).toEqual(
    await prompts.read({ kind: 'text', text: '<|im_start|>hi' }),
  );
  session.end();
  expect(await bystander.whole).toBe(true);
  expect(bystander.body()).toContain('[DONE]');
  expect(server.reported).toEqual([]);
  prompts.close();
});
