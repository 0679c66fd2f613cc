import { env } from '@tensorflow/tfjs-core';
import { UnsupportedDeviceError } from '../numerics/errors.js';

/** The largest float16, and the least with all of its 11 bits. */
export const MAX_HALF = 65504;
const LEAST_NORMAL_HALF = 2 ** -14;

/**
 * GLSL: what is beyond float16 becomes infinite when it is written, so that it shows. Some devices
 * (NVIDIA's) write the largest float16 instead, and cut off instead of rounding to nearest.
 *
 * @param type What the program gives `setOutput`: vec4 where its output is packed.
 */
export function halfOutputGlsl(type: 'vec4' | 'float'): string {
  const infinite = 'sign(y) * uintBitsToFloat(0x7f800000u)';
  const limit = `${MAX_HALF}.`;
  const checked =
    type === 'vec4'
      ? `mix(y, ${infinite}, greaterThan(abs(y), vec4(${limit})))`
      : `(abs(y) > ${limit} ? ${infinite} : y)`;
  return `
    void setHalfOutput(${type} y) {
      setOutput(${checked});
    }
    #define setOutput setHalfOutput
    `;
}

/**
 * For numbers that go up to a device with float16 textures.
 * @throws UnsupportedDeviceError for a finite number that they would change by more than a
 * rounding.
 */
export function checkHalf(op: string, what: string, values: ArrayLike<number>): void {
  const bad = Array.prototype.find.call(values, isOutside) as number | undefined;
  if (bad === undefined) return;
  throw new UnsupportedDeviceError(op, `float32 textures, for ${bad} in ${what}`, 'float16 ones');
}

function isOutside(v: number): boolean {
  const size = Math.abs(v);
  return Number.isFinite(v) && v !== 0 && !(size >= LEAST_NORMAL_HALF && size <= MAX_HALF);
}

/**
 * Why what goes along directions, and their weights, are left to the composition: float16 textures
 * hold no sum of coarse and fine weights. Null where textures are float32.
 */
export function whyNoHalfDirections(): string | null {
  return env().getBool('WEBGL_RENDER_FLOAT32_ENABLED') ? null : 'textures are float16';
}
