import { env } from '@tensorflow/tfjs-core';
import { PIXELS_USAGE, type WebglBackend } from './backend.js';

/**
 * tfjs flag: whether kernels take a texel's byte / 255 for what it is, on devices that pass a test.
 * Default true.
 */
export const UNROUNDED_BYTES_FLAG = 'HADANORM_WEBGL_UNROUNDED_BYTES';

/** Bytes, four to a texel. */
const SIDE = 8;
/** In steps of a byte: twice what dividing by 255 and multiplying again rounds in float32. */
const MOST_ERROR = 2 ** -14;

const known = new WeakMap<WebGL2RenderingContext, boolean>();

/**
 * Whether a fetch of an RGBA8 texture gives byte / 255 to float32's precision, as GPUs of desktops
 * do: found out once for each context, by fetching all 256. Then products need no rounding of what
 * they fetch, which takes longer than multiplying.
 */
export function fetchesBytesExactly(backend: WebglBackend): boolean {
  if (!env().getBool(UNROUNDED_BYTES_FLAG)) return false;
  const { gl } = backend.gpgpu;
  const exact = known.get(gl) ?? largestError(backend) <= MOST_ERROR;
  known.set(gl, exact);
  return exact;
}

/** How far 255 times a fetched byte is from it, at most. */
function largestError(backend: WebglBackend): number {
  const bytes = Uint8Array.from({ length: 4 * SIDE * SIDE }, (_, i) => i);
  const texels = uploadTexels(backend, SIDE, SIDE, bytes);
  const errors = backend.runWebGLProgram(
    {
      variableNames: ['X'],
      outputShape: [SIDE, SIDE],
      userCode: `
      void main() {
        ivec2 at = getOutputCoords();
        vec4 bytes = vec4(4 * (${SIDE} * at.x + at.y)) + vec4(0., 1., 2., 3.);
        vec4 error = abs(texelFetch(X, at.yx, 0) * 255. - bytes);
        setOutput(max(max(error.x, error.y), max(error.z, error.w)));
      }`,
    },
    [texels],
    'float32',
  );
  const largest = Math.max(...backend.readSync(errors.dataId));
  backend.disposeIntermediateTensorInfo(errors);
  backend.disposeIntermediateTensorInfo(texels);
  return largest;
}

/**
 * An RGBA8 texture of bytes [height, width, 4], as int32 data [height, width]; tfjs counts 4 bytes
 * a texel, as it takes.
 */
export function uploadTexels(
  backend: WebglBackend,
  width: number,
  height: number,
  bytes: Uint8Array,
) {
  const info = backend.makeTensorInfo([height, width], 'int32');
  const data = backend.texData.get(info.dataId);
  data.usage = PIXELS_USAGE;
  data.texShape = [height, width];
  backend.gpgpu.uploadDenseMatrixToTexture(backend.getTexture(info.dataId), width, height, bytes);
  return info;
}

/**
 * GLSL: the bytes of a texel of an RGBA8 texture; how exactly a device divides by 255 does not
 * matter.
 */
export const BYTES_GLSL = `
    vec4 bytesOf(vec4 texel) {
      return floor(texel * 255. + .5);
    }`;
