import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ModelId } from '#lib/kernel/ids.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import { readManifest } from '#lib/shard/package/server.ts';
import { NodeRuntime } from '#lib/shard/runtime/node-runtime.ts';
import { processPlatform, type NodeVolunteerOptions } from '#lib/shard/runtime/server.ts';
import type { WorkerHandle } from '#lib/shard/runtime/platform.ts';
import type {
  Volunteer,
  VolunteerPhase,
  VolunteerSnapshot,
} from '#lib/shard/runtime/volunteer-port.ts';
import { servePackageFile } from '#server/models/http.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import type { AnswerRequest } from '#server/orchestrator/answers.ts';
import { createKnownAnswerChecker } from '#server/orchestrator/known-answer-checker.ts';
import {
  createOrchestrator,
  type Orchestrator,
  type OrchestratorOptions,
} from '#server/orchestrator/orchestrator.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import type { HubEvent, NodeHub } from '#server/signaling/hub.ts';
import { attachHub, type Hub } from '#server/signaling/socket-hub.ts';
import { tapWorker, type Tamper } from '#tests/support/bad-peer/tapped-worker.ts';

const MODELS = fileURLToPath(new URL('../../public/models', import.meta.url));
const MODEL = 'smollm2-135m-instruct' as ModelId;

interface AskMore extends Partial<Pick<AnswerRequest, 'sampling' | 'prefix'>> {
  readonly onToken?: (count: number) => void;
}

/** The server's real parts but gateway and pages, and real volunteers with worker threads. */
export class SmallServer {
  readonly url: string;
  readonly orchestrator: Orchestrator;
  readonly hub: Hub;
  readonly manifest: Manifest;
  readonly failovers: unknown[];
  /** Paths of chunks that were asked for. */
  readonly chunksServed: string[];
  /** Everything the nodes said, pongs left out. */
  readonly heard: HubEvent[];
  /** What nodes were told of their places, one each and epoch. */
  readonly prepared: Prepare[];
  readonly #http: Server;
  readonly #root: string;
  readonly #volunteers: Volunteer[] = [];

  private constructor(made: {
    url: string;
    orchestrator: Orchestrator;
    hub: Hub;
    manifest: Manifest;
    failovers: unknown[];
    chunksServed: string[];
    heard: HubEvent[];
    prepared: Prepare[];
    http: Server;
    root: string;
  }) {
    this.url = made.url;
    this.orchestrator = made.orchestrator;
    this.hub = made.hub;
    this.manifest = made.manifest;
    this.failovers = made.failovers;
    this.chunksServed = made.chunksServed;
    this.heard = made.heard;
    this.prepared = made.prepared;
    this.#http = made.http;
    this.#root = made.root;
  }

  static async start(
    minStages: number,
    change: Partial<Pick<OrchestratorOptions, 'numerics' | 'wireDtype'>> = {},
  ): Promise<SmallServer> {
    const root = await mkdtemp(join(tmpdir(), 'declai-node-'));
    const registry = await ModelRegistry.open([MODELS]);
    const manifest = await readManifest(join(MODELS, MODEL));
    const chunksServed: string[] = [];
    const http = createServer((req, res) => {
      if (res.writableEnded) return;
      if (req.url?.startsWith('/models/chunks/')) chunksServed.push(req.url);
      if (!servePackageFile(registry, req, res)) res.writeHead(404).end();
    });
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const model = { id: manifest.id, hash: manifestHash(manifest) };
    const hub = attachHub(http, { model: () => model });
    const failovers: unknown[] = [];
    const heard: HubEvent[] = [];
    const prepared: Prepare[] = [];
    const tapped: NodeHub = {
      send: (node, incarnation, message) => {
        if (message.type === 'session' && message.message.type === 'prepare') {
          prepared.push(message.message);
        }
        return hub.send(node, incarnation, message);
      },
      ...{ introduce: hub.introduce.bind(hub), part: hub.part.bind(hub) },
      ...{ fence: hub.fence.bind(hub), relayedBytes: hub.relayedBytes.bind(hub) },
      setRelayRule: hub.setRelayRule.bind(hub),
      onEvent: (listener) =>
        hub.onEvent((event) => {
          if (event.type !== 'pong') heard.push(event);
          listener(event);
        }),
    };
    const orchestrator = createOrchestrator({
      ...{ hub: tapped, manifest, minStages, ...change },
      // What is counted here is a step a token.
      draftsMax: 0,
      checker: createKnownAnswerChecker(join(MODELS, MODEL)),
      log: { write: (entry) => void failovers.push(entry) },
    });
    return new SmallServer({
      ...{ url, orchestrator, hub, manifest, failovers, chunksServed, heard, prepared, http, root },
    });
  }

  /** Where the volunteer of this name keeps what it keeps. */
  dataDir(name: string): string {
    return join(this.#root, name);
  }

  /** Says `body` in the stead of what the server has under `path`; returns how to stop. */
  lieAbout(path: string, body: string): () => void {
    const lie = (req: IncomingMessage, res: ServerResponse): void => {
      if (req.url === path) res.end(body);
    };
    this.#http.prependListener('request', lie);
    return () => this.#http.off('request', lie);
  }

  /** A volunteer with a data folder of its own, kept by name. */
  volunteer(
    name: string,
    change: Partial<NodeVolunteerOptions> = {},
    tamper?: Tamper,
  ): TestVolunteer {
    const options = {
      ...{ serverUrl: this.url, dataDir: this.dataDir(name), memoryLentBytes: null },
      ...{ relayOnly: false, insecure: false, keepAwake: false, power: 0.5, threads: null },
      engine: 'measured' as const,
      ...change,
    };
    const made = new TestVolunteer(options, tamper);
    this.#volunteers.push(made.node);
    made.node.start();
    return made;
  }

  /** Until a route of so many nodes can be made. */
  async whole(stages: number): Promise<void> {
    const deadline = performance.now() + 80_000;
    for (;;) {
      const view = this.orchestrator.view();
      const places = view.routes[0]?.places ?? [];
      if (new Set(places.map((place) => place.node)).size === stages) return;
      if (performance.now() > deadline) throw new Error(JSON.stringify(view, null, 1));
      await sleep(50);
    }
  }

  /** Ids of an answer, greedy unless asked otherwise; `onToken` may break things. */
  ask(
    promptIds: readonly number[],
    maxTokens: number,
    { onToken, ...more }: AskMore = {},
  ): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const ids: number[] = [];
      this.orchestrator.start(
        {
          ...{ model: this.manifest.id, promptIds, acceptedIds: [], maxTokens },
          ...{ sampling: GREEDY, grammar: null, eosIds: this.manifest.tokenizer.eosIds },
          ...more,
        },
        (event) => {
          if (event.type === 'token') {
            ids.push(event.id);
            onToken?.(ids.length);
            if (event.finish) resolve(ids);
          } else if (event.type === 'lost') reject(event.fault);
          else if (event.type === 'cancelled') reject(new Error('cancelled'));
        },
      );
    });
  }

  /** Rows that each place computed below L, of all answers asked for since `heard` had so many. */
  rowsFilled(since: number): number[] {
    const rows: number[] = [];
    const told = new Map<string, number>();
    for (const event of this.heard.slice(since)) {
      if (event.type !== 'message' || event.message.type !== 'session') continue;
      const { message } = event.message;
      if (message.type !== 'report') continue;
      const seat = `${message.session}/${message.epoch}/${message.place}`;
      const grown = message.kvLength - (told.get(seat) ?? message.kvLength);
      rows[message.place] = (rows[message.place] ?? 0) + grown;
      told.set(seat, message.kvLength);
    }
    return rows;
  }

  async end(): Promise<void> {
    for (const volunteer of this.#volunteers) volunteer.stop();
    await sleep(400);
    this.orchestrator.close();
    this.hub.close();
    this.#http.closeAllConnections();
    this.#http.close();
    await rm(this.#root, { recursive: true, force: true });
  }
}

type Options = ConstructorParameters<typeof NodeRuntime>[1] & NodeVolunteerOptions;

/** The product's volunteer, whose worker a test may kill, and whose frames it may change. */
export class TestVolunteer {
  readonly node: NodeRuntime;
  #worker: WorkerHandle | null = null;

  constructor(options: Options, tamper?: Tamper) {
    const platform = processPlatform(options);
    const startWorker = (): WorkerHandle => {
      const worker = platform.startWorker();
      return (this.#worker = tamper ? tapWorker(worker, tamper) : worker);
    };
    this.node = new NodeRuntime({ ...platform, startWorker }, options);
  }

  snapshot(): VolunteerSnapshot {
    return this.node.getSnapshot();
  }

  /** As if the platform had killed the thread: nobody told the runtime. */
  killWorker(): void {
    this.#worker?.terminate();
  }
}

/** Every phase that a volunteer went through, for a reader of the failure. */
export async function untilPhase(
  { node: volunteer }: TestVolunteer,
  phases: readonly VolunteerPhase[],
  timeoutMs = 80_000,
): Promise<void> {
  const seen: string[] = [];
  const note = (): void => {
    const { phase, fault } = volunteer.getSnapshot();
    seen.push(fault ? `${phase} (${fault.code} ${fault.message})` : phase);
  };
  const stop = volunteer.subscribe(note);
  note();
  const deadline = performance.now() + timeoutMs;
  while (!phases.includes(volunteer.getSnapshot().phase)) {
    if (performance.now() > deadline) {
      throw new Error(`not ${phases.join(' or ')} but ${[...new Set(seen)].join(' → ')}`);
    }
    await sleep(20);
  }
  stop();
}
