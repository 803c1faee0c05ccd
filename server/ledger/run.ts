import { isFault, toFault, type FaultCode } from '#lib/kernel/errors.ts';
import { approve, capture, grant, hold, submit, voidHold } from './act-commands.ts';
import { parseLedgerArgs, USAGE, type Command, type LedgerArgs } from './args.ts';
import { evidence } from './evidence-command.ts';
import { fsck, genesis, keygen, verify } from './offline-commands.ts';
import { balance, blocks, history, members } from './read-commands.ts';
import { done, EXIT, type Report } from './report.ts';

const RUN: Readonly<Record<Command, (args: LedgerArgs) => Promise<Report>>> = {
  ...{ keygen, genesis, fsck, balance, history, blocks, members, verify, evidence },
  ...{ grant, hold, capture, void: voidHold, approve, submit },
};

/** One command as it was typed. Never rejects: what went wrong is a report, too. */
export async function runLedger(argv: readonly string[]): Promise<Report> {
  try {
    const args = parseLedgerArgs(argv);
    return args === null ? done({ usage: USAGE }, USAGE) : await RUN[args.command](args);
  } catch (error) {
    return reportFault(error);
  }
}

/** What to do, where the message alone does not say it. */
const HINTS: Readonly<Partial<Record<FaultCode, readonly string[]>>> = {
  'request/invalid': ['npm run ledger -- --help says what there is'],
  'ledger/no-quorum': [
    'do the replicas run (npm start, npm run replica)? --replicas HOST:PORT,… names their client ports',
  ],
};

function reportFault(error: unknown): Report {
  const fault = toFault(error, 'server/config');
  const isMisunderstood = isFault(fault, 'request/invalid');
  const details = Object.entries(fault.details).map(([name, value]) => `${name} ${value}`);
  return {
    lines: [`${fault.code}: ${fault.message}`, ...details, ...(HINTS[fault.code] ?? [])],
    json: { error: fault.toWire() },
    exitCode: isMisunderstood ? EXIT.usage : EXIT.fault,
  };
}
