import type { UniformFormat } from '../numerics/formats.js';
import { quantizerWgsl } from '../webgpu/quantizer.js';
import type { Shader } from '../webgpu/shader.js';
import { FINITE_WGSL, INTEGERS, wgslFloat } from '../webgpu/wgsl.js';

/** Elements that a workgroup reduces. */
export const CHUNK = 2048;
export const INVOCATIONS = 64;

const PLACES = ['length', 'inner', 'groupSize', 'outerStride', 'groupStride', 'innerStride'];

/**
 * x → (lowest, highest) of every 2048 elements of a group, 0 among them; NaN where one of them is
 * NaN or Inf. A group's elements are [outers, groupSize, inners], but for the axes along which
 * groups differ. `merge`: x is such pairs already, which lie together.
 */
export const rangeShader: Shader<{ merge: boolean }> = {
  name: 'ranges',
  build: ({ merge }) => ({
    reads: { x: 'f32' },
    writes: { ranges: 'f32' },
    sizes: ['groups', 'chunks', 'most', 'outers', 'inners', 'groupsAlong', ...PLACES],
    invocations: INVOCATIONS,
    workgroupBytes: 12 * INVOCATIONS,
    code: `${FINITE_WGSL}
var<workgroup> least: array<f32, ${INVOCATIONS}>;
var<workgroup> greatest: array<f32, ${INVOCATIONS}>;
var<workgroup> top: array<u32, ${INVOCATIONS}>;
${merge ? MERGED_WGSL : ELEMENT_WGSL}
fn run(lid: u32, group: u32) {
  let index = group / sizes.chunks;
  let first = (group % sizes.chunks) * ${CHUNK}u;
  if (index >= sizes.groups) { return; }
  let end = min(first + ${CHUNK}u, sizes.most);
  var lo = 0f;
  var hi = 0f;
  var magnitude = 0u;
  for (var e = first + lid; e < end; e += ${INVOCATIONS}u) {
    let at = placeOf(index, e);
    if (at >= arrayLength(&x)) { continue; }
    let v = x[at];
    lo = min(lo, v);
    hi = max(hi, v);
    magnitude = max(magnitude, magnitudeBits(v));
  }
  least[lid] = lo;
  greatest[lid] = hi;
  top[lid] = magnitude;
  workgroupBarrier();
  for (var half = ${INVOCATIONS / 2}u; half > 0u; half /= 2u) {
    if (lid < half) {
      least[lid] = min(least[lid], least[lid + half]);
      greatest[lid] = max(greatest[lid], greatest[lid + half]);
      top[lid] = max(top[lid], top[lid + half]);
    }
    workgroupBarrier();
  }
  if (lid > 0u) { return; }
  let sound = top[0] < 0x7f800000u;
  ranges[2u * group] = select(nanValue(), least[0], sound);
  ranges[2u * group + 1u] = select(nanValue(), greatest[0], sound);
}`,
  }),
};

const MERGED_WGSL = `
fn placeOf(group: u32, e: u32) -> u32 { return group * sizes.most + e; }`;

/** Beyond x for what a shorter last group does not have. */
const ELEMENT_WGSL = `
fn placeOf(group: u32, e: u32) -> u32 {
  var i = e % sizes.inners;
  var along = (e / sizes.inners) % sizes.groupSize;
  var o = e / (sizes.inners * sizes.groupSize);
  if (sizes.innerStride > 0u) { i += group % sizes.inner; }
  if (sizes.groupStride > 0u) {
    let width = select(1u, sizes.inner, sizes.innerStride > 0u);
    along += ((group / width) % sizes.groupsAlong) * sizes.groupSize;
  }
  if (sizes.outerStride > 0u) { o += group / sizes.outerStride; }
  if (along >= sizes.length) { return 0xffffffffu; }
  return (o * sizes.length + along) * sizes.inner + i;
}`;

/** What tells quantizers apart. */
export interface FakeQuantSpec {
  readonly [field: string]: number | boolean | string;
  readonly bits: number;
  readonly codes: UniformFormat['codes'];
  readonly dynamic: boolean;
}

/** x quantized and dequantized by the ranges of its groups. */
export const fakeQuantShader: Shader<FakeQuantSpec> = {
  name: 'FakeQuant',
  build: ({ bits, codes, dynamic }) => ({
    reads: { x: 'f32', ranges: 'f32' },
    writes: { y: 'f32' },
    sizes: ['size', ...PLACES],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `${quantizerWgsl({ kind: 'uniform', bits, codes, granularity: { kind: 'perTensor' } })}
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at >= sizes.size) { return; }
  let along = (at / sizes.inner) % sizes.length;
  let index = (at / (sizes.length * sizes.inner)) * sizes.outerStride
    + (along / sizes.groupSize) * sizes.groupStride + (at % sizes.inner) * sizes.innerStride;
  let lo = ranges[2u * index];
  let hi = ranges[2u * index + 1u];
  let v = x[at];
  let found = parametersOf(lo, hi);
  let offset = offsetOf(v, v / found.x, found.x, boundsOf(found.x, found.y));
  let value = (offset - ${wgslFloat(INTEGERS)}) * found.x;
  let sound = ${dynamic ? 'isFinite1(lo) && isFinite1(hi)' : '!isNan1(v)'};
  y[at] = select(nanValue(), value, sound);
}`,
  }),
};
