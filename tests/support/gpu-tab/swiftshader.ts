/** WebGPU in software, where there is no GPU: the same shaders, slowly (stack.md). */
export const SWIFTSHADER = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-unsafe-swiftshader',
];
