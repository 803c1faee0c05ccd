/** WebGPU in software, where there is no GPU: the same shaders, slowly. */
export const SWIFTSHADER = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-unsafe-swiftshader',
];
