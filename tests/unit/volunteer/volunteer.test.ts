import 'fake-indexeddb/auto';
import { describe, expect, it, vi } from 'vitest';
import { FAULT_CODES, type FaultCode } from '#lib/kernel/errors.ts';
import {
  VOLUNTEER_OFF,
  type CreateVolunteer,
  type VolunteerSnapshot,
} from '#lib/shard/runtime/volunteer-port.ts';
import { NODE_STATES } from '#lib/shard/wire/node-messages.ts';
import { describeState, faultText, lightOf, needsReload } from '#components/volunteer/describe.ts';
import { describeNeed } from '#components/volunteer/need.ts';
import { engineWish } from '#components/volunteer/engine-wish.ts';
import { openPreferences } from '#components/volunteer/preferences.ts';
import { securityOf } from '#components/volunteer/secure.ts';
import { layerCells } from '#components/volunteer/strip.ts';
import { createVolunteerClient } from '#components/volunteer/volunteer-client.ts';

const PHASES = ['off', ...NODE_STATES] as const;
const at = (part: Partial<VolunteerSnapshot>): VolunteerSnapshot => ({ ...VOLUNTEER_OFF, ...part });
const fault = (code: FaultCode) => ({ code, message: 'raw text' });

describe('a state for people', () => {
  it('[VO3] every phase has a title and one plain sentence', () => {
    const texts = PHASES.map((phase) => describeState(at({ phase })));
    for (const { title, sentence } of texts) {
      expect(title).toMatch(/^[A-Z]/);
      expect(sentence).toMatch(/^[A-Z].*\.$/);
    }
    expect(new Set(texts.map(({ title }) => title)).size).toBe(PHASES.length);
  });

  it('[VO3] names the layers and the model while it loads', () => {
    const loading = at({ phase: 'loading', model: 'm', range: { first: 10, last: 19 } });
    expect(describeState(loading).sentence).toContain('layers 10–19 of m');
  });

  it('[VO3] tells the reason, and a fault in words of its own', () => {
    expect(describeState(at({ phase: 'spare', reason: 'idle.relayed' })).sentence).toMatch(/relay/);
    const full = describeState(at({ phase: 'loading', fault: fault('package/storage-full') }));
    expect(full).toMatchObject({ tone: 'warn' });
    expect(full.sentence).toMatch(/no room .* free disk space/);
    expect(full.sentence).not.toContain('raw text');
  });

  it('[VO3] every fault is told in words for people, those with a cure in words of their own', () => {
    const plain = faultText(null);
    const general = FAULT_CODES.filter((code) => faultText(code) === plain);
    for (const code of FAULT_CODES) {
      expect(faultText(code), code).toMatch(/^[A-Z][^`{}]{20,}\.$/);
      expect(describeState(at({ phase: 'loading', fault: fault(code) })).sentence).toMatch(
        /Trying again by itself\.$/,
      );
    }
    // What a node never meets, and what is no more than a connection that did not hold.
    expect(
      general.filter((code) => !/^(session|request|wire|kernel|server|ledger)\//.test(code)),
    ).toEqual(['package/exists', 'engine/no-pages', 'mesh/closed', 'mesh/no-path']);
  });

  it('[VO7] says whether it comes back by itself', () => {
    const lost = { phase: 'lost', fault: fault('mesh/limit') } as const;
    expect(describeState(at({ ...lost, rejoins: true }))).toMatchObject({
      title: 'Disconnected',
      tone: 'warn',
      sentence: expect.stringMatching(/Too many nodes.*Trying again by itself\.$/) as string,
    });
    const over = describeState(at({ phase: 'lost', fault: fault('engine/wrong-answer') }));
    expect(over).toMatchObject({ title: 'Stopped', tone: 'bad' });
    expect(over.sentence).not.toContain('by itself');
  });

  it('[VO3] an old page says: reload', () => {
    const old = at({ phase: 'lost', fault: fault('wire/version') });
    expect(describeState(old).sentence).toMatch(/reload/);
    expect(needsReload(old)).toBe(true);
    expect(needsReload(at({ phase: 'lost', fault: fault('mesh/closed') }))).toBe(false);
  });
});

describe('the light', () => {
  it('[VO4] is lit whenever the node computes, whatever it is called then', () => {
    for (const phase of PHASES) {
      expect(lightOf(at({ phase, computing: true })), phase).toBe('computing');
    }
    expect(lightOf(at({ phase: 'ready' }))).toBe('idle');
    expect(lightOf(at({ phase: 'off' }))).toBe('none');
  });
});

describe('the strip of layers', () => {
  it('fills the own range as bytes come in and marks what is taken over', () => {
    const cells = layerCells({
      layersTotal: 6,
      range: { first: 1, last: 4 },
      takeOver: { first: 5, last: 5 },
      loaded: 0.5,
    });
    expect(cells).toEqual(['elsewhere', 'held', 'held', 'loading', 'loading', 'take-over']);
  });

  it('is whole when everything is loaded, and empty without a range', () => {
    const whole = layerCells({
      layersTotal: 3,
      range: { first: 0, last: 2 },
      takeOver: null,
      loaded: 1,
    });
    expect(whole).toEqual(['held', 'held', 'held']);
    const none = layerCells({ layersTotal: 2, range: null, takeOver: null, loaded: 1 });
    expect(none).toEqual(['elsewhere', 'elsewhere']);
  });
});

describe('what a tab would be good for', () => {
  it('names the layers that nobody holds, else how many hold the model', () => {
    const model = { id: 'm', layers: 30, uncovered: [{ first: 20, last: 29 }] };
    expect(describeNeed({ models: [model], nodes: [] })).toMatch(/Nobody holds layers 20–29 of m/);
    const nodes = [{ id: 'a', kind: 'tab', state: 'ready' } as const];
    expect(describeNeed({ models: [{ ...model, uncovered: [] }], nodes })).toMatch(
      /^m is held by 1 node\./,
    );
    expect(describeNeed({ models: [], nodes })).toMatch(/no model/);
  });
});

describe('secure contexts', () => {
  it('[VO6] plain http from elsewhere is told the https address', () => {
    const page = { host: '192.0.2.2:3000', path: '/volunteer' };
    expect(securityOf({ ...page, isSecureContext: true })).toEqual({ type: 'secure' });
    expect(securityOf({ ...page, isSecureContext: false })).toEqual({
      type: 'insecure',
      httpsAddress: 'https://192.0.2.2:3000/volunteer',
    });
  });
});

let names = 0;

/** A page with a node's twin that notes what it is told. */
function openPage(options: { contributing?: boolean; name?: string; broken?: boolean } = {}) {
  const calls: string[] = [];
  let loads = 0;
  let contributing = options.contributing ?? false;
  let listener: () => void = () => undefined;
  let snapshot = VOLUNTEER_OFF;
  const tell = (phase: VolunteerSnapshot['phase']) => {
    snapshot = at({ phase });
    listener();
  };
  const note = (name: string) => () => void calls.push(name);
  const createVolunteer: CreateVolunteer = (given) => ({
    subscribe(onChange) {
      listener = onChange;
      return () => undefined;
    },
    getSnapshot: () => snapshot,
    start() {
      calls.push(`start ${JSON.stringify(given)}`);
      tell('joining');
    },
    pause: note('pause'),
    resume: note('resume'),
    finish: note('finish'),
    stop: note('stop'),
  });
  const name = options.name ?? `volunteer-${String((names += 1))}`;
  const client = createVolunteerClient({
    preferences: openPreferences(name),
    tab: {
      wasContributing: () => contributing,
      remember: (value) => (contributing = value),
    },
    serverUrl: () => 'https://here',
    engineWish: () => 'measured',
    loadRuntime() {
      loads += 1;
      return options.broken
        ? Promise.reject(new Error('offline'))
        : Promise.resolve(createVolunteer);
    },
  });
  return { client, calls, tell, name, loads: () => loads, contributing: () => contributing };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 60));

it.each([
  ['', 'measured'],
  ['?engine=cpu', 'cpu'],
  ['?x=1&engine=gpu', 'gpu'],
  ['?engine=quantum', 'measured'],
])('[VO8] the address %j asks for %s', (search, wish) => {
  expect(engineWish(search)).toBe(wish);
});

describe('the page’s hold on its node', () => {
  it('[VO1] fetches nothing before the click', async () => {
    const { client, loads } = openPage({ contributing: true });
    client.open();
    await settle();
    expect(loads()).toBe(0);
    expect(client.getSnapshot()).toBe(VOLUNTEER_OFF);
    client.leave();
    client.stop();
    expect(loads()).toBe(0);
  });

  it('starts once at the click, with what was allowed', async () => {
    const { client, calls } = openPage();
    client.preferences.change({ keepAwake: true, memoryLentBytes: 5, relayOnly: true });
    client.preferences.change({ power: 0.25 });
    client.start();
    expect(client.getSnapshot().phase).toBe('joining');
    client.start();
    await settle();
    expect(calls).toEqual([
      'start {"serverUrl":"https://here","engine":"measured","memoryLentBytes":5,"power":0.25,"threads":null,"keepAwake":true,"relayOnly":true}',
    ]);
  });

  it('[VO2] starts by itself only after a reload of a tab that contributed, and only if ticked', async () => {
    const first = openPage();
    first.client.preferences.change({ startAfterReload: true });
    const kept = async () => (await openPreferences(first.name).load()).startAfterReload;
    await vi.waitFor(async () => expect(await kept()).toBe(true), { timeout: 10_000 });
    const cases = [
      { name: first.name, contributing: true, starts: 1 },
      { name: first.name, contributing: false, starts: 0 },
      { name: 'never ticked', contributing: true, starts: 0 },
    ];
    for (const { name, contributing, starts } of cases) {
      const page = openPage({ name, contributing });
      page.client.open();
      if (starts > 0) await vi.waitFor(() => expect(page.loads()).toBe(1), { timeout: 10_000 });
      await settle();
      expect(page.loads(), JSON.stringify({ name, contributing })).toBe(starts);
    }
  });

  it('[VO5] a page that goes away leaves at once; only a stop is remembered as one', async () => {
    const { client, calls, contributing } = openPage();
    client.start();
    await settle();
    client.leave();
    expect(calls.at(-1)).toBe('stop');
    expect(contributing()).toBe(true);
    client.stop();
    expect(contributing()).toBe(false);
  });

  it('[VO1] a runtime that arrives after Stop stays off', async () => {
    const { client, calls } = openPage();
    client.start();
    client.stop();
    await settle();
    expect(calls).toEqual([]);
    expect(client.getSnapshot().phase).toBe('off');
  });

  it('says so where the runtime cannot be fetched, and can be started again', async () => {
    const { client, loads } = openPage({ broken: true });
    client.start();
    await settle();
    expect(client.getSnapshot()).toMatchObject({
      phase: 'lost',
      fault: { code: 'package/fetch-failed' },
    });
    client.start();
    await settle();
    expect(loads()).toBe(2);
  });

  it('shows every change of the node', async () => {
    const { client, tell } = openPage();
    const seen: string[] = [];
    client.subscribe(() => seen.push(client.getSnapshot().phase));
    client.start();
    await settle();
    tell('measuring');
    tell('ready');
    expect(seen).toEqual(['joining', 'joining', 'measuring', 'ready']);
  });
});
