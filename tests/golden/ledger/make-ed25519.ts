import { writeFileSync } from 'node:fs';
import { goldenPath } from '#tests/support/golden.ts';
import { ed25519Cases } from './ed25519-cases.ts';

/** `node scripts/ts.mjs tests/golden/ledger/make-ed25519.ts` writes the vectors anew. */
const lines = ed25519Cases().map((each) => JSON.stringify(each));
writeFileSync(goldenPath('ledger/ed25519.json'), `[\n${lines.join(',\n')}\n]\n`);
