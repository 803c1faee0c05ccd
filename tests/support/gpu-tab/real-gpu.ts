/** What computes shaders on the processor under a GPU's name. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

export const isRealGpu = (adapter: string | null): boolean =>
  adapter !== null && !SOFTWARE.test(adapter);
