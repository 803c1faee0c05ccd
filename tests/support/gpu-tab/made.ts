/** Every GPU buffer of this thread that was made and not destroyed: ours and ONNX Runtime's. */
export const buffersAlive = new Set<GPUBuffer>();

const create = Reflect.get(GPUDevice.prototype, 'createBuffer');
GPUDevice.prototype.createBuffer = function (this: GPUDevice, descriptor): GPUBuffer {
  const buffer = create.call(this, descriptor);
  buffersAlive.add(buffer);
  return buffer;
};

const destroy = Reflect.get(GPUBuffer.prototype, 'destroy');
GPUBuffer.prototype.destroy = function (this: GPUBuffer): undefined {
  buffersAlive.delete(this);
  destroy.call(this);
};

/** Shaders that were compiled in this thread. */
export const shadersMade = { count: 0 };

const compile = Reflect.get(GPUDevice.prototype, 'createShaderModule');
GPUDevice.prototype.createShaderModule = function (this: GPUDevice, descriptor): GPUShaderModule {
  shadersMade.count += 1;
  return compile.call(this, descriptor);
};
