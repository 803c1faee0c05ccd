export { importModel, type ImportProgress, type ImportResult } from './import/importer.ts';
export { removePackage } from './import/remove.ts';
export { openPackageFolder, readManifest, type OpenPackage } from './package-folder.ts';
export { fsChunkStore, openFsChunkStore } from './store/fs-store.ts';
