'use client';
import { classes } from '#components/ui/classes.ts';
import { Controls } from './controls.tsx';
import { describeState, type StateText } from './describe.ts';
import { HowItWorks } from './how-it-works.tsx';
import { InsecureNotice } from './insecure-notice.tsx';
import { LayerStrip } from './layer-strip.tsx';
import { LoadProgress } from './load-progress.tsx';
import { NetworkNeed } from './network-need.tsx';
import { NodeFacts } from './node-facts.tsx';
import { PeerTable } from './peer-table.tsx';
import { PreferencesForm } from './preferences-form.tsx';
import { useSecurity } from './use-security.ts';
import { useVolunteerSnapshot } from './volunteer-context.ts';

/** Contribute: what this tab does for the network, in plain words, and every switch for it. */
export function VolunteerPage() {
  const snapshot = useVolunteerSnapshot();
  const security = useSecurity();
  const state = describeState(snapshot);
  const off = snapshot.phase === 'off' || snapshot.phase === 'lost';
  return (
    <main
      data-phase={snapshot.phase}
      // What tests, benches and the curious read: the page's whole knowledge of its node.
      data-snapshot={JSON.stringify(snapshot)}
      // `relative`: hidden labels stay inside, or the whole page would scroll as well.
      className="relative min-h-0 flex-1 overflow-y-auto"
    >
      <div className="mx-auto w-full max-w-3xl space-y-8 px-4 py-8 sm:px-6 sm:py-12">
        <h1 className="font-read text-[clamp(1.8rem,5.5vw,2.75rem)] leading-[1.12] text-balance">
          Lend this tab to everyone’s model.
        </h1>
        {security.type === 'insecure' ? (
          <InsecureNotice httpsAddress={security.httpsAddress} />
        ) : (
          <section
            aria-label="This tab"
            className="space-y-6 rounded-2xl border border-line bg-raised p-5 shadow-sm sm:p-7"
          >
            <StateLine state={state} computing={snapshot.computing} />
            <LoadProgress snapshot={snapshot} />
            {!off && <LayerStrip snapshot={snapshot} />}
            {off && <NetworkNeed />}
            <Controls snapshot={snapshot} />
            {!off && <NodeFacts snapshot={snapshot} />}
            {!off && <PeerTable peers={snapshot.peers} />}
          </section>
        )}
        {security.type === 'secure' && <PreferencesForm locked={!off || snapshot.rejoins} />}
        {off && <HowItWorks />}
      </div>
    </main>
  );
}

const DOTS = { calm: 'bg-accent', busy: 'bg-accent', warn: 'bg-warn', bad: 'bg-bad' } as const;

function StateLine({ state, computing }: { state: StateText; computing: boolean }) {
  return (
    <div role="status" className="flex min-h-14 items-start gap-3.5">
      <span
        aria-hidden="true"
        className={classes(
          'mt-2 size-3 shrink-0 rounded-full',
          DOTS[state.tone],
          computing ? 'ring-4 ring-accent-wash' : state.tone === 'calm' && 'opacity-35',
        )}
      />
      <div className="min-w-0">
        <p className="text-xl font-semibold" data-state>
          {state.title}{' '}
          {computing && <span className="ml-1 text-sm font-normal text-accent">computing now</span>}
        </p>
        <p className="text-soft">{state.sentence}</p>
      </div>
    </div>
  );
}
