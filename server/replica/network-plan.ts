import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { ADDRESS_BYTES_MAX, GATEWAYS_MAX, NAME_BYTES_MAX } from '#lib/ledger/account/limits.ts';
import { REPLICAS_MAX, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import type { Genesis, Parameters } from '#lib/ledger/account/genesis.ts';
import { addressText, type HostPort } from './transport/tls.ts';

/** Where one replica listens, and is found. */
export interface Host {
  readonly replicas: HostPort;
  /** Where the others find it, if that is another place: a forwarded port. */
  readonly address?: HostPort;
  readonly clients: HostPort;
  readonly operator: HostPort;
}

/** Where a replica listens if nobody says otherwise: clients and its operator on the ports above. */
export const hostAt = ({ host, port }: HostPort): Host => ({
  replicas: { host, port },
  clients: { host, port: port + 1 },
  operator: { host, port: port + 2 },
});

export interface NetworkOptions {
  /** For people, and so that no two networks are one. */
  readonly name: string;
  readonly hosts: readonly Host[];
  readonly gateways: Genesis['gateways'];
  readonly parameters?: Partial<Parameters>;
  readonly timeMs: number;
}

const PORT_MAX = 65_535;

const wrong = (what: string): FaultError => new FaultError('server/config', what);

/**
 * A network that can run: said before anything of it is made, for its genesis is for ever.
 * @throws FaultError `server/config`
 */
export function checkNetwork({ name, hosts, gateways }: Omit<NetworkOptions, 'timeMs'>): void {
  if (hosts.length < REPLICAS_MIN || hosts.length > REPLICAS_MAX) {
    throw wrong(`a ledger has ${REPLICAS_MIN} to ${REPLICAS_MAX} replicas, not ${hosts.length}`);
  }
  const nameBytes = utf8(name).length;
  if (nameBytes < 1 || nameBytes > NAME_BYTES_MAX) {
    throw wrong(`a network's name has 1 to ${NAME_BYTES_MAX} bytes, not ${nameBytes}`);
  }
  if (gateways.length > GATEWAYS_MAX) {
    throw wrong(`a genesis names ${GATEWAYS_MAX} gateways at most; operators register more later`);
  }
  const keys = new Set(gateways.map(({ publicKey }) => publicKey.join()));
  if (keys.size < gateways.length) throw wrong('a gateway is named twice');
  hosts.forEach(checkHost);
  const taken = new Set<string>();
  for (const at of hosts.flatMap(placesOf)) {
    const text = addressText(at);
    if (taken.has(text)) {
      throw wrong(`${text} is needed twice: a replica takes three ports, from the named one on`);
    }
    taken.add(text);
  }
}

/** @throws FaultError `server/config` */
export function checkHost(host: Host): void {
  for (const at of placesOf(host)) {
    if (at.port >= 1 && at.port <= PORT_MAX) continue;
    throw wrong(`${addressText(at)}: a replica takes three ports of 1 to ${PORT_MAX} in a row`);
  }
  const { replicas, address = replicas } = host;
  if (utf8(addressText(address)).length > ADDRESS_BYTES_MAX) {
    throw wrong(`${addressText(address)} is too long: an address has ${ADDRESS_BYTES_MAX} bytes`);
  }
}

const placesOf = ({ replicas, clients, operator }: Host): HostPort[] => [
  replicas,
  clients,
  operator,
];
