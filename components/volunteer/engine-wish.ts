import { ENGINE_WISHES, type EngineWish } from '#lib/webgpu/capability/choose-engine.ts';

/** `?engine=cpu` and `?engine=gpu` of the page's address; what is measured where it says nothing. */
export function engineWish(search: string): EngineWish {
  const said = new URLSearchParams(search).get('engine');
  return ENGINE_WISHES.find((wish) => wish === said) ?? 'measured';
}
