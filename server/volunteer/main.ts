import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { toFault } from '#lib/kernel/errors.ts';
import { reasonText } from '#lib/kernel/reasons.ts';
import { createNodeVolunteer } from '#lib/shard/runtime/server.ts';
import type { Volunteer, VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { HELP, parseVolunteerOptions } from './options.ts';
import { whyUnreachable } from './reach.ts';

/** Leaving takes milliseconds; whatever hangs, the process ends this long after a signal. */
const STOP_MS_MAX = 1_500;

/** `npm run volunteer`: one node, one line a change of state, until a signal or its parent's end. */
export async function main(args: readonly string[]): Promise<void> {
  const options = parseVolunteerOptions(args);
  if (options === null) {
    process.stdout.write(HELP);
    return;
  }
  // The worker's downloads and the manifest go through `fetch`, which knows no other switch.
  if (options.insecure) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  await mkdir(options.dataDir, { recursive: true });
  const volunteer = createNodeVolunteer(options);
  let line = '';
  volunteer.subscribe(() => {
    const next = describe(volunteer.getSnapshot());
    if (next !== line) process.stdout.write(`${next}\n`);
    line = next;
  });
  const stop = (): void => leave(volunteer);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);
  volunteer.start();
  const trouble = await whyUnreachable(options.serverUrl);
  if (trouble !== null) process.stderr.write(`${trouble}\n`);
}

/** V2: the leave message first, then the end. */
function leave(volunteer: Volunteer): void {
  setTimeout(() => process.exit(0), STOP_MS_MAX);
  volunteer.subscribe(() => {
    if (volunteer.getSnapshot().phase === 'off') process.exit(0);
  });
  volunteer.stop();
  if (volunteer.getSnapshot().phase === 'off') process.exit(0);
}

/** An answer's begin and end are no change of state: they would fill the server's log. */
function describe({ phase, reason, fault, range, model }: VolunteerSnapshot): string {
  const held = range && model ? ` ${model} layers ${range.first}–${range.last}` : '';
  const isAnswering = phase === 'serving' && reason === null;
  if (isAnswering || reason === 'idle.no_demand') return `ready${held}`;
  const why = fault ? `: ${fault.message}` : reason ? `: ${reasonText(reason)}` : '';
  return `${phase}${held}${why}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${toFault(error, 'server/config').message}\n`);
    process.exit(1);
  });
}
