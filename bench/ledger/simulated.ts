import { seededRandom } from '#lib/kernel/random.ts';
import type { Parameters } from '#lib/ledger/pbft/types.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { runLedger } from '#sim/ledger/run.ts';
import { Cluster, type Node } from '#tests/support/replica-cluster.ts';
import { atLeast, atMost, type Bar } from '../result.ts';

/** One way between any two machines. */
const DELTA_MS = 50;
const ALL = [0, 1, 2, 3];
/** A correct replica of four that is never the first primary. */
const WITNESS = 2;

/** The protocol's own bounds, on a virtual clock with links of δ and disks of no time. */
export function simulated(): readonly Bar[] {
  const commitMs = commit();
  const [eight, one] = [8, 1].map((window) => rate(quiet({ window, batchMax: 8 })));
  const free = rate(quiet({}));
  const crash = afterCrash();
  const rates = ATTACKS.map(({ what, isPrimary, play }) => {
    const share = rate(quiet({}), play) / free;
    return atLeast(`rate under ${what}`, share, {
      min: isPrimary ? 0.5 : 0.9,
      unit: 'of fault-free',
    });
  });
  return [
    atMost('commit at f + 1 replicas', commitMs / DELTA_MS, { max: 3, unit: 'δ' }),
    atMost('client: sent to answered', commitMs / DELTA_MS + 2, { max: 5, unit: 'δ' }),
    atLeast('W = 8 beside W = 1, B = 8', (eight ?? 0) / (one ?? 1), { min: 6, unit: '×' }),
    atMost('first commit after the primary’s crash, T and so many δ', crash, { max: 6, unit: 'δ' }),
    ...rates,
    atLeast('messages of a campaign a second on one core', messagesPerSecond(), {
      min: 20_000,
      unit: '1/s',
    }),
  ];
}

const TIMEOUT_MS = 1_000;

function quiet(parameters: Partial<Parameters>): Cluster {
  const cluster = new Cluster({
    parameters: { ...LARGE, timeoutMs: TIMEOUT_MS, ...parameters },
  });
  cluster.fate = () => [DELTA_MS];
  cluster.diskMs = () => 0;
  return cluster;
}

const LARGE = { checkpointInterval: 32, logWindow: 64, window: 8, batchMax: 8 } as const;

/** Ms from a request's arrival at the replicas to its execution at f + 1 of them. */
function commit(): number {
  const cluster = quiet({});
  cluster.request('first');
  return executedAfter(cluster, 'first', 2);
}

function executedAfter(cluster: Cluster, name: string, enough: number): number {
  const startedAt = cluster.nowMs;
  const count = (): number => ALL.filter((i) => cluster.isExecutedBy(name, [i])).length;
  while (count() < enough && cluster.nowMs - startedAt < 60_000) cluster.run(1);
  return cluster.nowMs - startedAt;
}

/** δ beyond T from the crash of the primary, with a request under way, to its execution. */
function afterCrash(): number {
  const cluster = quiet({});
  cluster.request('before');
  cluster.run(500);
  cluster.crash(0);
  cluster.request('after', [1, 2, 3]);
  return (executedAfter(cluster, 'after', 3) - TIMEOUT_MS) / DELTA_MS;
}

const RATE_MS = 12_000;
/** Requests that wait at any time: more than all slots hold. */
const WAITING = 128;

/** Requests executed a virtual second by a correct replica, whatever the others do. */
function rate(cluster: Cluster, attack: (cluster: Cluster) => void = () => undefined): number {
  attack(cluster);
  const node = cluster.node(WITNESS);
  let asked = 0;
  while (cluster.nowMs < RATE_MS) {
    while (asked - executedBy(node) < WAITING) {
      asked += 1;
      cluster.request(`r${asked}`);
    }
    cluster.run(10);
  }
  return (1_000 * executedBy(node)) / RATE_MS;
}

const executedBy = ({ state }: Node): number =>
  (state.head.app as { readonly executed: readonly string[] }).executed.length;

interface Attack {
  readonly what: string;
  readonly isPrimary: boolean;
  readonly play: (cluster: Cluster) => void;
}

const isOf = (message: Message, type: Message['type']): boolean => message.type === type;

/** One of four plays them: replica 3, or replica 0, whose view it is. */
const ATTACKS: readonly Attack[] = [
  { what: 'a silent backup', isPrimary: false, play: (cluster) => cluster.crash(3) },
  {
    what: 'a backup whose votes come late and twice',
    isPrimary: false,
    play: (cluster) => {
      cluster.fate = (from) => (from.name === 'r3' ? [8 * DELTA_MS, 9 * DELTA_MS] : [DELTA_MS]);
    },
  },
  { what: 'a silent primary', isPrimary: true, play: (cluster) => cluster.crash(0) },
  {
    what: 'a primary that proposes to two of three',
    isPrimary: true,
    play: (cluster) => {
      cluster.fate = (from, to, message) =>
        from.name === 'r0' && to.name === 'r3' && isOf(message, 'pre-prepare') ? [] : [DELTA_MS];
    },
  },
  {
    what: 'a primary that proposes to half, now and then',
    isPrimary: true,
    play: (cluster) => {
      const random = seededRandom(8);
      cluster.fate = (from, _, message) =>
        from.name === 'r0' && isOf(message, 'pre-prepare') && random.chance(0.5) ? [] : [DELTA_MS];
    },
  },
  {
    what: 'a primary that waits 0.9 T with each proposal',
    isPrimary: true,
    play: (cluster) => {
      cluster.fate = (from, _, message) =>
        from.name === 'r0' && isOf(message, 'pre-prepare') ? [0.9 * TIMEOUT_MS] : [DELTA_MS];
    },
  },
];

const WARM_SEEDS = 8;
const CPU_S = 4;

/**
 * Deliveries a second of this process' time, as a campaign counts them: its first seeds, every 50th of
 * them with real keys, with all that goes wrong in them and all checkers looking on.
 */
function messagesPerSecond(): number {
  let seed = 1;
  for (; seed <= WARM_SEEDS; seed += 1) runLedger(seed);
  const before = process.cpuUsage();
  const cpuS = (): number => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  let messages = 0;
  for (; cpuS() < CPU_S; seed += 1) messages += runLedger(seed).counts.get('message') ?? 0;
  return messages / cpuS();
}
