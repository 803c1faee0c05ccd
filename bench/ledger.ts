import { load } from './ledger/load.ts';
import { pace } from './ledger/pace.ts';
import { replay } from './ledger/replay.ts';
import { roundTripMs, syncMs, verifySlice } from './ledger/floors.ts';
import { simulated } from './ledger/simulated.ts';
import { size } from './ledger/size.ts';
import { transfer } from './ledger/transfer.ts';
import { machine, type BenchResult } from './result.ts';

/** All goals of the ledger's speed, each beside what the machine gives in the same run. */
export async function run(): Promise<BenchResult> {
  const floors = {
    'verifications/s, node:crypto, keys kept': Math.round(verifySlice()),
    'ms a write of 4 KiB and fdatasync, p50': round(await syncMs()),
    'ms a round trip over loopback TLS, p50': round(await roundTripMs()),
  };
  const virtual = simulated();
  const [paced, loaded] = [await pace(), await load()];
  const [replayed, transferred, sized] = [await replay(), await transfer(), await size()];
  return {
    name: 'ledger',
    machine: machine(),
    figures: {
      ...floors,
      ...paced.figures,
      ...loaded.figures,
      ...replayed.figures,
      ...sized.figures,
    },
    bars: [
      ...[...loaded.bars, ...paced.bars, ...replayed.bars],
      ...[...transferred, ...sized.bars, ...virtual],
    ],
  };
}

const round = (value: number): number => Number(value.toPrecision(3));
