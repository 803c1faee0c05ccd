import { utf8 } from '#lib/kernel/bytes.ts';
import { encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import { Cluster } from './replica-cluster.ts';

/** One of each type, as a real run makes them. */
export function specimens(): Message[] {
  const cluster = new Cluster();
  const seen = new Map<string, Message>();
  cluster.fate = (_from, _to, message) => {
    const known = seen.get(message.type);
    // The longest: with certificates and carried slots in it.
    if (!known || encodeMessage(message).length > encodeMessage(known).length) {
      seen.set(message.type, message);
    }
    return [5];
  };
  cluster.crash(3);
  for (let i = 0; i < 12; i += 1) {
    cluster.request(`a${i}`);
    cluster.run(15);
  }
  cluster.request('b');
  cluster.run(3);
  cluster.crash(0);
  cluster.restart(3);
  cluster.until(() => cluster.isExecutedBy('b', [1, 2, 3]), 10_000);
  cluster.run(1_000);
  seen.set('fetch', { type: 'fetch', digest: new Uint8Array(32) });
  seen.set('body', { type: 'body', batch: utf8('batch') });
  seen.set('fetch-parts', { type: 'fetch-parts', sequence: 8, from: 2 });
  seen.set('parts', { type: 'parts', sequence: 8, from: 2, parts: [utf8('one'), utf8('two')] });
  seen.set('request', { type: 'request', request: utf8('request') });
  return [...seen.values()];
}
