import { EXIT } from './report.ts';
import { runLedger } from './run.ts';

/** `npm run ledger -- …`: prints a report and sets the process's exit code. */
const argv = process.argv.slice(2);
const isJson = argv.includes('--json');
const { json, lines, exitCode } = await runLedger(argv);
const text = isJson ? JSON.stringify(json) : lines.join('\n');
const out = exitCode === EXIT.ok || isJson ? process.stdout : process.stderr;
if (text !== '') out.write(`${text}\n`);
process.exitCode = exitCode;
