'use client';
import { unreachable } from '#lib/kernel/assert.ts';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { Button } from '#components/ui/button.tsx';
import { needsReload } from './describe.ts';
import { useVolunteer } from './volunteer-context.ts';

/** The big switch and the two ways to stop; only what makes sense in this state. */
export function Controls({ snapshot }: { snapshot: VolunteerSnapshot }) {
  const volunteer = useVolunteer();
  return (
    <div className="flex flex-wrap gap-2.5">
      {actionsOf(snapshot).map((action) => {
        switch (action) {
          case 'start':
            return (
              <Button key="main" look="primary" className="px-8" onClick={volunteer.start}>
                Contribute
              </Button>
            );
          case 'retry':
            return (
              <Button key="main" look="primary" onClick={volunteer.start}>
                Try now
              </Button>
            );
          case 'reload':
            return (
              <Button key="main" look="primary" onClick={() => location.reload()}>
                Reload this page
              </Button>
            );
          case 'pause':
            return (
              <Button key="main" onClick={volunteer.pause}>
                Pause
              </Button>
            );
          case 'resume':
            return (
              <Button key="main" look="primary" onClick={volunteer.resume}>
                Resume
              </Button>
            );
          case 'finish':
            return (
              <Button key="finish" onClick={volunteer.finish}>
                Finish this answer, then stop
              </Button>
            );
          case 'stop':
            return (
              <Button key="stop" look="danger" onClick={volunteer.stop}>
                Stop
              </Button>
            );
          default:
            return unreachable(action);
        }
      })}
    </div>
  );
}

type Action = 'start' | 'retry' | 'reload' | 'pause' | 'resume' | 'finish' | 'stop';

function actionsOf(snapshot: VolunteerSnapshot): Action[] {
  switch (snapshot.phase) {
    case 'off':
    case 'lost':
      // Who sees it come back by itself must be able to say no.
      if (snapshot.rejoins) return ['retry', 'stop'];
      return [needsReload(snapshot) ? 'reload' : 'start'];
    case 'joining':
    case 'measuring':
    case 'loading':
    case 'warming':
      return ['stop'];
    case 'ready':
    case 'spare':
      return ['pause', 'stop'];
    case 'serving':
      return snapshot.reason === 'idle.finishing' ? ['stop'] : ['pause', 'finish', 'stop'];
    case 'paused':
      return ['resume', 'stop'];
    case 'leaving':
      return [];
    default:
      return unreachable(snapshot.phase);
  }
}
