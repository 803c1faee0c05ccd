/** In a network's folder, and in each replica's. */
export const GENESIS_FILE = 'genesis.cbor';
