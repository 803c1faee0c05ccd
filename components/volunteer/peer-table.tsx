import type { VolunteerPeer } from '#lib/shard/runtime/volunteer-port.ts';
import { formatMs, shortId } from '#components/ui/format.ts';

/** The nodes this one talks to: how far away, and whether straight or through the server. */
export function PeerTable({ peers }: { peers: readonly VolunteerPeer[] }) {
  return (
    <div className="border-t border-line pt-6">
      <h2 className="text-sm text-soft">Neighbours</h2>
      {peers.length === 0 ? (
        <p className="mt-1">None yet. With one node alone there is nobody to talk to.</p>
      ) : (
        <table className="mt-1 w-full text-left tabular-nums">
          <thead className="sr-only">
            <tr>
              <th>Node</th>
              <th>Path</th>
              <th>Round trip</th>
            </tr>
          </thead>
          <tbody>
            {peers.map(({ id, path, rttMs }) => (
              <tr key={id} data-peer={id}>
                <td className="py-1 font-mono">{shortId(id)}</td>
                <td className="py-1 text-soft">{path === 'direct' ? 'direct' : 'by relay'}</td>
                <td className="py-1 text-right">
                  {rttMs === null ? '–' : rttMs === 0 ? '< 1 ms' : formatMs(rttMs)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
