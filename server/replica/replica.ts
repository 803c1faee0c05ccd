import type { Server } from 'node:http';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import { unreachable } from '#lib/kernel/assert.ts';
import { NamedBuckets } from '#lib/kernel/token-bucket.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { chainOf, genesisState } from '#lib/ledger/account/genesis.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { NEVER } from '#lib/ledger/account/records/records.ts';
import { recordOf } from '#lib/ledger/account/state.ts';
import {
  ledgerApplication,
  ledgerState,
  type LedgerApplication,
} from '#lib/ledger/application/application.ts';
import type { Refusal } from '#lib/ledger/client/wire/codes.ts';
import { nodeSha256, serverSigner, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { inspect } from '#lib/ledger/pbft/inspect.ts';
import { decodeMessage, encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import type { Effect, Environment } from '#lib/ledger/pbft/types.ts';
import { ReplicaStore, type StoredBlock } from '#lib/ledger/store/server.ts';
import { ClientPort, type Submitted } from './clients/port.ts';
import type { ReplicaConfig } from './config.ts';
import { Driver } from './driver.ts';
import { hasQuorum, heard, heardCount, startHearing, type Hearing } from './hearing.ts';
import { LedgerView } from './ledger-view.ts';
import { DOOR_RATES, REPLICA_LIMITS, REPLICA_TIMES } from './limits.ts';
import { peersIn } from './members.ts';
import { ReplicaMetrics, type ReplicaHealth } from './metrics.ts';
import { openOperatorDoor } from './operator-door.ts';
import { PhaseTimes } from './phases.ts';
import { RecentBlocks } from './recent.ts';
import { isNextKey } from './rekey.ts';
import { selfSigned } from './transport/certificate.ts';
import { Links, type Worth } from './transport/links.ts';

export interface RunningReplica {
  readonly id: string;
  /** What was listened on: of a port 0 the one that was free. */
  readonly ports: {
    readonly replicas: number;
    readonly clients: number;
    readonly operator: number;
  };
  /** Why its key signs never again; null: it may. */
  readonly amnesia: string | null;
  health(): ReplicaHealth;
  /** All that was said is on disk, and nothing more is said. */
  close(): Promise<void>;
}

export interface ReplicaListener {
  /** The disk did not take something, or new keys cannot be read: the process has to end. */
  failed(fault: FaultError): void;
  /** The ledger says that the keys that wait are this replica's now: close it, and start it with them. */
  rotated(): void;
}

/** One replica: core, store, links and doors. @throws FaultError as `ReplicaStore.open`, `server/…`. */
export async function startReplica(
  config: ReplicaConfig,
  listener: ReplicaListener,
): Promise<RunningReplica> {
  const { genesis, keys } = config;
  const sha256 = nodeSha256;
  const chain = chainOf(genesis, sha256);
  const verify = serverVerifier();
  const application = ledgerApplication({ chain, verify, sha256 });
  const env: Environment = {
    ...{ chain, application, verify, sha256 },
    genesis: genesisState(genesis, sha256),
    genesisTimeMs: Number(genesis.timeMs),
    signer: serverSigner(keys.voteSeed),
  };
  const store = await ReplicaStore.open({
    ...{ folder: config.dataDir, chain, sha256 },
    voteKey: env.signer.publicKey,
    parts: (app) => application.parts(app),
    isFirst: (result, sequence) => sequenceOf(result) === sequence,
  });
  try {
    const identity = await selfSigned(keys.transportSeed);
    const replica = new Replica({ config, env, application, store, identity, listener });
    await replica.open();
    return replica;
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface Parts {
  readonly config: ReplicaConfig;
  readonly env: Environment;
  readonly application: LedgerApplication;
  readonly store: ReplicaStore;
  readonly identity: Awaited<ReturnType<typeof selfSigned>>;
  readonly listener: ReplicaListener;
}

class Replica implements RunningReplica {
  readonly id: string;
  readonly #parts: Parts;
  readonly #driver: Driver;
  readonly #links: Links;
  readonly #clients: ClientPort;
  readonly #recent: RecentBlocks;
  readonly #rates = new NamedBuckets(DOOR_RATES.key);
  readonly #metrics = new ReplicaMetrics(() => this.health());
  readonly #phases = new PhaseTimes((phase, seconds) => this.#metrics.phase(phase, seconds));
  #hearing: Hearing = startHearing(performance.now());
  #others: readonly string[] = [];
  #epoch = -1;
  #isRotated = false;
  #operator: { readonly server: Server; readonly port: number } | null = null;

  constructor(parts: Parts) {
    const { config, env, store, identity } = parts;
    this.#parts = parts;
    this.id = toHex(config.keys.operatorKey);
    this.#recent = new RecentBlocks(env.sha256);
    this.#links = new Links({
      ...{ identity, id: this.id, listen: config.listen.replicas },
      onFrame: (from, bytes) => {
        this.#hearing = heard(this.#hearing, from, performance.now());
        const link = { kind: 'replica', id: from } as const;
        if (this.#driver.step({ type: 'message', bytes, link })) return 'used';
        return this.#worthOf(bytes);
      },
      onAlive: (from) => (this.#hearing = heard(this.#hearing, from, performance.now())),
    });
    this.#driver = new Driver(env, {
      store,
      send: (to, bytes) => this.#links.send(to, bytes),
      onEffect: (effect) => this.#onEffect(effect),
    });
    const state = () => this.#driver.state;
    const view = new LedgerView({
      ...{ state, blocks: store.blocks, history: store.history },
      evidence: (index) => store.evidence(index),
      blocksWritten: () => store.blocksWritten(),
      ...{ recent: this.#recent, sha256: env.sha256 },
    });
    this.#clients = new ClientPort({
      ...{ identity, listen: config.listen.clients, view },
      submit: (transaction, client) => this.#submit(transaction, client),
      isPending: (id) => this.#isPending(toHex(id)),
      hasRoom: () => this.#hasRoom,
      peersHeard: () => heardCount(this.#hearing, this.#others, performance.now()),
      onRefused: (code) => this.#metrics.refused(code),
    });
  }

  get ports(): RunningReplica['ports'] {
    const [replicas, clients] = [this.#links.port, this.#clients.port];
    return { replicas, clients, operator: this.#operator?.port ?? 0 };
  }

  get amnesia(): string | null {
    const isAmnesiac = this.#driver.state.isAmnesiac;
    return this.#parts.store.amnesia ?? (isAmnesiac ? 'its log does not tell all' : null);
  }

  async open(): Promise<void> {
    const { store, listener, config } = this.#parts;
    store.listen({
      stored: (id) => this.#driver.step({ type: 'stored', id }),
      failed: (fault) => {
        this.#driver.close();
        listener.failed(fault);
      },
    });
    this.#driver.start();
    // Who comes first is looked up among them.
    this.#follow();
    await this.#links.listen();
    await this.#clients.listen();
    this.#operator = await openOperatorDoor({
      listen: config.listen.operator,
      metrics: this.#metrics,
      health: () => this.health(),
    });
  }

  async close(): Promise<void> {
    this.#clients.close();
    this.#operator?.server.close();
    this.#driver.close();
    this.#links.close();
    await this.#parts.store.close();
  }

  health(): ReplicaHealth {
    const { state } = this.#driver;
    const { epoch, view, votes, phase, executed, stable, pending, evidence } = inspect(state);
    const now = performance.now();
    return {
      ...{ id: this.id, chain: toHex(state.env.chain), votes, amnesia: this.amnesia },
      ...{ epoch, view, isChangingView: phase === 'changing', executed, stable, evidence },
      ledgerTimeMs: state.head.header.timeMs,
      peersHeard: heardCount(this.#hearing, this.#others, now),
      hasQuorum: hasQuorum(this.#hearing, this.#others, now),
      peers: this.#links.views(),
      queues: { pending, clientFrames: this.#clients.queued, disk: this.#parts.store.waiting },
      clients: this.#clients.clients,
      droppedFrames: this.#links.dropped,
      linksEnded: this.#links.ended,
    };
  }

  #onEffect(effect: Effect): void {
    this.#phases.take(effect, performance.now());
    if (effect.type === 'executed') {
      const { header, batch, results, seal } = effect;
      const block: StoredBlock = {
        ...{ header, results, batch: batch.bytes, seal: seal ?? new Uint8Array(0) },
      };
      this.#recent.add(block, batch.ids);
      this.#metrics.executed(batch.ids.length);
      this.#clients.executed(block, batch.ids);
    }
    if (effect.type === 'stable') {
      this.#recent.certify(effect.state.certificate);
      // Once the step is over: what it executes after this is told as ever.
      if (!effect.leadsHere) queueMicrotask(() => this.#clients.skipped(this.#isPending));
      this.#follow();
    }
  }

  /** Patience runs for what was taken in: beyond some batches a client's frames had better wait unread. */
  get #hasRoom(): boolean {
    const { pending, constitution } = this.#driver.state;
    return pending.size < REPLICA_LIMITS.batchesAtHand * constitution.parameters.batchMax;
  }

  readonly #isPending = (id: string): boolean => this.#driver.state.pending.has(id);

  /** Links go to the members by the newest state. */
  #follow(): void {
    const { state } = this.#driver;
    const epoch = state.head.constitution.epoch;
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    const peers = peersIn(ledgerState(state.head.app), state.env.sha256);
    this.#others = peers.map(({ id }) => id).filter((id) => id !== this.id);
    this.#links.setPeers(peers);
    const own = state.head.constitution.members.find(({ id }) => id === this.id);
    if (own && !bytesEqual(own.voteKey, state.env.signer.publicKey)) this.#rotateTo(own.voteKey);
  }

  /** The key may have been made while this ran: so its file is looked at now. */
  #rotateTo(voteKey: Uint8Array): void {
    const { config, listener } = this.#parts;
    isNextKey(config.keysFile, voteKey).then(
      (isOurs) => {
        if (!isOurs || this.#isRotated) return;
        this.#isRotated = true;
        listener.rotated();
      },
      (error: unknown) => listener.failed(toFault(error, 'server/config')),
    );
  }

  /** Of a frame of which nothing came: read once more. Who passes on what is here already does its duty. */
  #worthOf(bytes: Uint8Array): Worth {
    const message = decodeMessage(bytes);
    if (isFault(message)) return 'malformed';
    if (message.type !== 'request') return 'vain';
    const read = this.#parts.application.read(message.request);
    if (isFault(read)) return 'vain';
    const id = toHex(read.id);
    const isHere = this.#driver.state.pending.has(id) || this.#recent.find(id) !== null;
    return isHere ? 'used' : 'vain';
  }

  /** The door: what can be said at once is said at once, the rest waits for its block. */
  #submit(transaction: Uint8Array, client: string): Submitted {
    const { state } = this.#driver;
    const { application } = this.#parts;
    const now = performance.now();
    const read = application.read(transaction);
    const door = { wallMs: Date.now(), isRelayed: false };
    const verdict = application.judge(ledgerState(state.head.app), read, door);
    switch (verdict.type) {
      case 'refused':
        return refused(verdict.code);
      case 'executed':
      case 'admitted':
        break;
      default:
        unreachable(verdict);
    }
    if (isFault(read)) return refused('wire/malformed');
    if (verdict.type === 'executed') return { type: 'executed', id: read.id };
    if (!hasQuorum(this.#hearing, this.#others, now)) return refused('ledger/no-quorum');
    if (state.pending.size >= LIMITS.pendingMax) return busy();
    // The signature before the rate: only who has the key uses up what the key may do.
    const id = state.env.application.checkRequest(transaction);
    if (id === null) return refused('wire/malformed');
    const waitMs = state.pending.has(id) ? 0 : this.#rateOf(read);
    if (waitMs > 0) return busy(waitMs);
    const bytes = encodeMessage({ type: 'request', request: transaction });
    this.#driver.step({ type: 'message', bytes, link: { kind: 'client', id: client } });
    if (this.#driver.state.pending.has(id)) return { type: 'waits', id };
    // Alone in its block it may be executed by now; else this connection has its share of what waits.
    return this.#recent.find(id) ? { type: 'executed', id: read.id } : busy();
  }

  /** In how many ms its key may act again; 0: now. Gateways act for many, and are registered one by one. */
  #rateOf({ publicKey }: Transaction): number {
    const waitMs = this.#rates.take(toHex(publicKey), 1, instantMs(performance.now()));
    // Looked up only for who acts so often: it costs more than the count does.
    if (waitMs === 0) return 0;
    const { head, env } = this.#driver.state;
    const gateway = recordOf(ledgerState(head.app), ['gateway', publicKey], env.sha256);
    return gateway?.revokedSinceDay === NEVER ? 0 : waitMs;
  }
}

/** Of a result's bytes: id (32), sequence u64, code. */
const sequenceOf = (result: Uint8Array): number =>
  Number(new DataView(result.buffer, result.byteOffset).getBigUint64(32));

const refused = (code: Refusal, retryAfterMs = 0): Submitted => ({
  ...{ type: 'refused', code, retryAfterMs },
});

const busy = (retryAfterMs: number = REPLICA_TIMES.busyRetryMs): Submitted =>
  refused('ledger/busy', retryAfterMs);
