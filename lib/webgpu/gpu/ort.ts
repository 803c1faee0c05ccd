import type * as OrtModule from 'onnxruntime-web/webgpu';
import { must } from '#lib/kernel/assert.ts';
import { Mutex } from './mutex.ts';

export type Ort = typeof OrtModule;
export type Session = OrtModule.InferenceSession;

/** ONNX Runtime as this worker has it, and the lock that all calls into it go through. */
export interface OrtWorker {
  readonly ort: Ort;
  readonly mutex: Mutex;
}

let loaded: Promise<OrtWorker> | null = null;

/**
 * ONNX Runtime's WebGPU build, once a worker: the one with JavaScript promise integration where the
 * browser has it (17 MB instead of 27). `filesUrl` gives the absolute address of the folder that
 * `scripts/copy-ort.mjs` fills for a version, with a slash at its end; the first call's counts.
 */
export function loadOrt(filesUrl: (version: string) => string): Promise<OrtWorker> {
  loaded ??= load(filesUrl);
  return loaded;
}

async function load(filesUrl: (version: string) => string): Promise<OrtWorker> {
  const ort =
    'Suspending' in WebAssembly
      ? await import('onnxruntime-web/jspi')
      : await import('onnxruntime-web/webgpu');
  ort.env.wasm.wasmPaths = filesUrl(must(ort.env.versions.web, 'this is the web build'));
  // The processor only submits work to the GPU: threads would win nothing.
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return { ort, mutex: new Mutex() };
}
