export { Blocks, type RequestPlace } from './blocks.ts';
export { syncFolder } from './node-disk.ts';
export { type StoredBlock } from './layout.ts';
export { type StoredEffect } from './queue.ts';
export {
  ReplicaStore,
  createReplicaFolder,
  hasReplicaLog,
  type StoreListener,
  type StoreOptions,
} from './store.ts';
