import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { TokenSource } from '#lib/webgpu/grammar/tokens.ts';
import type { Segment, Stage } from '#lib/webgpu/stage.ts';
import type { HostReport } from '#lib/shard/stage/host-protocol.ts';
import { StageHost, type LoadOrder } from '#lib/shard/stage/stage-host.ts';
import type { FrameLink } from '#lib/shard/stage/peer-links.ts';
import type { OwnerMessage, Prepare } from '#lib/shard/wire/session-messages.ts';

export const SELF = '1'.repeat(64) as NodeId;
export const PEER = '2'.repeat(64) as NodeId;
export const HASH = 'a'.repeat(64) as ManifestHash;
export const SESSION = 'b'.repeat(32) as SessionId;
export const ALONE = { first: 0, last: 1 };

/** An engine that samples a constant; `onStep` sees each step, may wait, and may throw. */
export function scriptedStage(
  onStep: (segments: readonly Segment[]) => Promise<void>,
  logprobs?: TokenLogprobs,
): Stage {
  const lengths = new Map<number, number>();
  return {
    shape: {} as Stage['shape'],
    range: ALONE,
    numerics: 'int16',
    rowsMax: 64,
    warmUpRows: [1],
    warmUpSessions: [],
    pagePositions: 16,
    pagesMax: 100,
    pagesFree: () => 100 - lengths.size,
    memoryBytes: () => 1000,
    openKv: () => {
      const kv = lengths.size + 1;
      lengths.set(kv, 0);
      return kv;
    },
    kvLength: (kv) => lengths.get(kv) ?? 0,
    truncateKv: (kv, length) => void lengths.set(kv, length),
    closeKv: (kv) => void lengths.delete(kv),
    async step(segments) {
      await onStep(segments);
      return segments.map(({ kv, rows, want }) => {
        lengths.set(kv, (lengths.get(kv) ?? 0) + rows);
        if (want.kind !== 'sample') return { hidden: null, logits: null, sampledId: null };
        return { hidden: null, logits: null, sampledId: 7, ...(logprobs && { logprobs }) };
      });
    },
    dispose: () => lengths.clear(),
  };
}

export function makeHost(doors: {
  readonly load?: (order: LoadOrder) => Promise<Stage>;
  readonly onStep?: (segments: readonly Segment[]) => Promise<void>;
  readonly logprobs?: TokenLogprobs;
  readonly loadTokens?: () => Promise<TokenSource>;
  readonly openLink?: () => FrameLink;
}) {
  const reports: HostReport[] = [];
  const loads: LoadOrder[] = [];
  let passedMs = 0;
  const host = new StageHost({
    self: SELF,
    now: () => instantMs(performance.now() + passedMs),
    report: (report) => reports.push(report),
    loadShard: (order) => {
      loads.push(order);
      return (
        doors.load?.(order) ??
        Promise.resolve(scriptedStage(doors.onStep ?? (() => Promise.resolve()), doors.logprobs))
      );
    },
    openLink:
      doors.openLink ??
      (() => {
        throw new FaultError('mesh/closed', 'this host has no links');
      }),
    loadTokens: doors.loadTokens ?? (() => Promise.reject(new Error('no vocabulary'))),
    abortFetch: () => undefined,
  });
  const say = (message: OwnerMessage): void => host.command({ type: 'message', message });
  const owner = () =>
    reports.flatMap((report) => (report.type === 'owner' ? [report.message] : []));
  const pass = (ms: number): void => {
    passedMs += ms;
  };
  return { host, reports, loads, say, owner, pass };
}

export const prepare = (change: Partial<Prepare> = {}): Prepare => ({
  type: 'prepare',
  session: SESSION,
  epoch: 1,
  resumeAt: 3,
  promptLength: 4,
  route: [{ node: SELF, incarnation: 1, range: ALONE, since: 1, path: 'direct' }],
  ids: [1, 2, 3, 4],
  history: NO_HISTORY,
  grammar: null,
  manifest: HASH,
  numerics: 'int16',
  wireDtype: 'f32',
  sampling: GREEDY,
  maxTokens: 6,
  eosIds: [],
  draftsMax: 0,
  chunkRows: 8,
  ...change,
});

export const ADDRESS = { session: SESSION, epoch: 1 };

/** Resolves once `holds` does; fails after two seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 2000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come to pass within 2 s');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
