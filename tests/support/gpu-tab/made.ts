/** Every GPU buffer of this thread that was made and not destroyed: ours and ONNX Runtime's. */
export const buffersAlive = new Set<GPUBuffer>();

/** What goes wrong with whatever is made from now on. */
export const spoiled = {
  /** Buffers for keys and values, weights and work are as large as they may be. */
  buffers: false,
  /** Shaders are no WGSL. */
  shaders: false,
};

const create = Reflect.get(GPUDevice.prototype, 'createBuffer');
GPUDevice.prototype.createBuffer = function (this: GPUDevice, descriptor): GPUBuffer {
  const isStorage = (descriptor.usage & GPUBufferUsage.STORAGE) !== 0;
  const size = this.limits.maxBufferSize;
  const buffer = create.call(
    this,
    spoiled.buffers && isStorage ? { ...descriptor, size } : descriptor,
  );
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
  return compile.call(this, spoiled.shaders ? { code: 'this is no WGSL' } : descriptor);
};
