import type { KernelBackend } from '@tensorflow/tfjs-core';
import { guardReads } from '../common/guard.js';
import type { Life } from '../common/life.js';
import { WebglContextLostError } from '../numerics/errors.js';
import type { TextureData } from './backend.js';

/** The parts of tfjs-backend-webgl 4.22 that know of its context. */
interface ContextBackend extends KernelBackend {
  readonly gpgpu: {
    readonly gl: WebGL2RenderingContext | WebGLRenderingContext;
    readonly vertexBuffer: WebGLBuffer;
    /** Fences that tfjs asks for whether they have passed. */
    itemsToPoll: unknown[];
  };
  readonly texData: {
    get(dataId: object): TextureData & { readonly slice?: unknown };
    has(dataId: object): boolean;
  };
  /** Data that is not given back before it is read. */
  readonly pendingRead: WeakMap<object, unknown>;
  readonly disposed: boolean;
}

/**
 * The life of a WebGL backend, whatever it is called: until its context is lost, or it is removed.
 * A restored context has none of the textures and programs that tfjs goes on to use.
 */
export function webglLife(backend: KernelBackend): Life | null {
  if (!('gpgpu' in backend)) return null;
  const webgl = backend as ContextBackend;
  const { gpgpu, texData, pendingRead } = webgl;
  const { gl } = gpgpu;
  // lost and restored before: what tfjs made first is not there
  let lost = gl.isContextLost() || !gl.isBuffer(gpgpu.vertexBuffer);
  const lose = () => {
    lost = true;
    // they never pass: tfjs would ask as long as the page is there
    gpgpu.itemsToPoll = [];
  };
  // it comes before a context is restored
  gl.canvas.addEventListener('webglcontextlost', lose);
  const isLost = () => {
    if (!lost && gl.isContextLost()) lose();
    return lost || webgl.disposed;
  };
  const life: Life = {
    isLost,
    error: (op) => new WebglContextLostError(op, lost ? 'lost' : 'removed'),
    readsLater: false,
    news: () => Promise.resolve(),
  };
  guardReads(webgl, life, {
    inMemory: (dataId) => {
      const { values, slice } = texData.get(dataId);
      // a part of another tensor's texture is copied on the device first
      return values != null && slice == null;
    },
    forget: (dataId) => {
      pendingRead.delete(dataId);
      if (texData.has(dataId)) texData.get(dataId).values = null;
    },
  });
  return life;
}
