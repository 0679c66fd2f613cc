import type { Built, Shader } from '../webgpu/shader.js';
import { dot4Wgsl, floatBits, INTEGERS, wgslFloat } from '../webgpu/wgsl.js';
import type { Activation } from './contract.js';
import { activationWgsl } from './webgpuActivations.js';
import { type AlongForm, alongReads, alongWgsl } from './webgpuAlong.js';
import {
  byteWgsl,
  type MeanForm,
  meanEndWgsl,
  meanFetchWgsl,
  meanFlushWgsl,
  meanReads,
  meanStartWgsl,
  meanStepWgsl,
} from './webgpuMeans.js';

/** What tells products of codes by codes apart. */
export interface TileSpec {
  readonly [field: string]: number | boolean | string;
  readonly tileM: number;
  readonly tileN: number;
  readonly slices: number; // parts of a workgroup that take steps in turn
  readonly words: number; // of 4 channels a step
  readonly whole: boolean; // all steps in one group
  readonly nibbles: boolean; // 8 channels of W a word
  readonly xGroups: boolean; // x has several groups
  readonly xCenter: number; // codes of x less their signed bytes
  readonly rows: boolean; // what is added to each row
  readonly mean: MeanForm; // what is added of its sample's mean, and the bias with it
  readonly along: AlongForm;
  readonly aligned: boolean; // n is a multiple of 4
  readonly activation: Activation;
  readonly dot4: boolean;
}

/** Outputs of an invocation: so many rows and columns. */
export const TILE_SIDE = 4;

/**
 * activation(x W + along R + rows + mean): a workgroup gives a tile of y, an invocation 4 × 4
 * numbers of it. A step of x and W at a time lies in workgroup memory, W unpacked, and the next is
 * on its way meanwhile. Where workgroups are few, slices of one take steps in turn, and their sums
 * are added up in the end. Within a step products are integers,
 *
 * Σ (code − zeroPoint) q = Σ byte · q + (center − zeroPoint) Σ q, with byte = code − center,
 *
 * and both scales come once a step, or once in all where there is one group. R are the last rows of
 * the packed weights.
 */
export const tileShader: Shader<TileSpec> = { name: 'QuantizedMatMulTile', build: buildTile };

function buildTile(spec: TileSpec): Built {
  const { tileM, tileN, slices, words, rows, aligned, xGroups } = spec;
  const perSlice = sliceOf(spec);
  const loads = loadsOf(spec, perSlice);
  const isSliced = slices > 1;
  const none = loads.map(({ name }) => `${name} = vec4<u32>(0u);`).join('\n        ');
  return {
    reads: {
      X: 'vec4<u32>',
      W: 'vec4<u32>',
      xScale: 'f32',
      xZeroPoint: 'f32',
      ...(rows ? { added: 'f32' as const } : {}),
      ...alongReads(spec.along),
      ...meanReads(spec.mean),
    },
    writes: { Y: aligned ? 'vec4<f32>' : 'f32' },
    sizes: [
      ...['m', 'n', 'xVectors', 'wVectors', 'steps', 'scaleAt', 'sumAt', 'perGroup'],
      ...['perXGroup', 'xGroups', 'tokens', 'tilesN', 'directionAt', 'rank'],
      ...['biasAt', 'biasRows', 'basisRank', 'residualVectors'],
    ],
    invocations: slices * perSlice,
    workgroupBytes: 4 * slices * words * (tileM + tileN),
    code: `
${dot4Wgsl(spec.dot4)}
${activationWgsl(spec.activation)}${byteWgsl(spec)}
var<workgroup> tileX: array<vec4<u32>, ${(slices * words * tileM) / 4}>;
var<workgroup> tileW: array<vec4<u32>, ${(slices * words * tileN) / 4}>;
fn scaleOfRow(row: u32, xGroup: u32) -> f32 {
  return xScale[min(row, sizes.m - 1u) * sizes.xGroups + xGroup];
}
fn zeroOfRow(row: u32, xGroup: u32) -> i32 {
  return ${spec.xCenter} - i32(xZeroPoint[min(row, sizes.m - 1u) * sizes.xGroups + xGroup]);
}
${storeWgsl(spec)}
fn run(lid: u32, group: u32) {
  let slice = ${isSliced ? `lid / ${perSlice}u` : '0u'};
  let own = ${isSliced ? `lid % ${perSlice}u` : 'lid'};
  let ofX = slice * ${(words * tileM) / 4}u;
  let ofW = slice * ${(words * tileN) / 4}u;
  let tx = own % ${tileN / 4}u;
  let ty = own / ${tileN / 4}u;
  let firstX = (group / sizes.tilesN) * ${tileM / 4}u;
  let firstW = (group % sizes.tilesN) * ${tileN / 4}u;
  if (4u * firstX >= sizes.m) { return; }
  let row = 4u * (firstX + ty);
  let column = firstW + tx;
  ${each((i) => `var f${i} = vec4<f32>(0f);`)}
  ${each((i) => `var a${i} = ${startWgsl(spec)};`)}
  ${xGroups ? '' : each((i) => `let z${i} = zeroOfRow(row + ${i}u, 0u);`)}
  ${loads.map(({ name }) => `var ${name} = vec4<u32>(0u);`).join('\n  ')}
  ${meanStartWgsl(spec)}
  ${isSliced ? 'if (slice < sizes.steps)' : ''} { ${fetchWgsl(loads, 'slice')} }
  for (var first = 0u; first < sizes.steps; first += ${slices}u) {
    let step = first + slice;
    ${loads.map(({ put }) => put).join('\n    ')}
    workgroupBarrier();
    // on their way while this step is multiplied
    if (step + ${slices}u < sizes.steps) {
      ${fetchWgsl(loads, `(step + ${slices}u)`)}
    } ${isSliced ? `else { ${none} }` : ''}
    ${meanFetchWgsl(spec)}
    ${spec.whole ? '' : weightsWgsl(spec, 'step')}
    for (var k = 0u; k < ${words}u; k++) {
      let x = tileX[ofX + k * ${tileM / 4}u + ty];
      let w = tileW[ofW + k * ${tileN / 4}u + tx];
      ${each((i) => `a${i} += ${dotsWgsl(`x[${i}]`)};`)}
    }
    ${meanStepWgsl(spec)}
    workgroupBarrier();
    ${spec.whole ? '' : `${isSliced ? 'if (step < sizes.steps)' : ''} ${flushWgsl(spec, 'step')}`}
  }
  ${spec.whole ? `${weightsWgsl(spec, '0u')}${flushWgsl(spec, '0u')}` : ''}
  ${isApart(spec) ? apartWgsl(spec) : ''}
  ${meanEndWgsl(spec)}
  ${isSliced ? togetherWgsl(spec) : ''}
  ${spec.xGroups ? '' : each((i) => `f${i} *= ${scaleWgsl(spec, i, '0u')};`)}
  ${alongWgsl(spec.along, TILE_SIDE)}
  ${spec.mean === 'none' ? '' : each((i) => `f${i} += meanSum;`)}
  ${each((i) => `store(row + ${i}u, column, f${i});`)}
}`,
  };
}

/** Invocations of a slice. */
function sliceOf({ tileM, tileN }: Pick<TileSpec, 'tileM' | 'tileN'>): number {
  return (tileM / TILE_SIDE) * (tileN / TILE_SIDE);
}

type Tile = Pick<TileSpec, 'tileM' | 'tileN' | 'words'>;

/** Whether a workgroup has room for so many slices: their sums go through the memory of steps. */
export function slicesFit(count: number, { tileM, tileN, words }: Tile): boolean {
  const held = 2 * (count - 1) * (Math.max(tileM, tileN) / 4) <= count * words;
  return held && count * sliceOf({ tileM, tileN }) <= MOST_INVOCATIONS;
}

/** What every device has. */
const MOST_INVOCATIONS = 256;

/** Sums of all slices, in the first; the others are done. */
function togetherWgsl(spec: TileSpec): string {
  const sums = (spec.slices - 1) * sliceOf(spec);
  const place = (i: number) => `${i < 2 ? 'tileX' : 'tileW'}[at + ${(i % 2) * sums}u]`;
  return `
  if (slice > 0u) {
    let at = lid - ${sliceOf(spec)}u;
    ${each((i) => `${place(i)} = bitcast<vec4<u32>>(f${i});`)}
  }
  workgroupBarrier();
  if (slice > 0u) { return; }
  for (var at = lid; at < ${sums}u; at += ${sliceOf(spec)}u) {
    ${each((i) => `f${i} += bitcast<vec4<f32>>(${place(i)});`)}
  }`;
}

/** Text for each of an invocation's rows. */
function each(text: (i: number) => string): string {
  return Array.from({ length: TILE_SIDE }, (_, i) => text(i)).join('\n  ');
}

function dotsWgsl(x: string): string {
  return `vec4<i32>(dot4(${x}, w.x), dot4(${x}, w.y), dot4(${x}, w.z), dot4(${x}, w.w))`;
}

/** The scale of a row of x, less the factor that packed codes of W have. */
function scaleWgsl({ nibbles }: TileSpec, i: number, xGroup: string): string {
  return `${nibbles ? '0.0625f * ' : ''}scaleOfRow(row + ${i}u, ${xGroup})`;
}

/** A vector that an invocation brings from memory in each step. */
interface Load {
  readonly name: string;
  /** What it reads; `{step}` stands for the step. */
  readonly get: string;
  /** Puts it into workgroup memory. */
  readonly put: string;
}

/** A step of x and of W: what each invocation brings of them, W unpacked on the way. */
function loadsOf({ tileM, tileN, words, nibbles }: TileSpec, invocations: number): Load[] {
  const [sizeX, sizeW] = [tileM / 4, tileN / 4];
  const perStep = nibbles ? words / 2 : words;
  const shares = (total: number, make: (t: string, name: string, i: number) => Load, as: string) =>
    Array.from({ length: Math.ceil(total / invocations) }, (_, i) => {
      const t = `own + ${i * invocations}u`;
      const { name, get, put } = make(`(${t})`, `${as}${i}`, i);
      if ((i + 1) * invocations <= total) return { name, get: `${name} = ${get};`, put };
      const has = `if (${t} < ${total}u)`;
      return { name, get: `${has} { ${name} = ${get}; }`, put: `${has} { ${put} }` };
    });
  const ofX = (t: string, name: string): Load => ({
    name,
    get: `X[({step} * ${words}u + ${t} / ${sizeX}u) * sizes.xVectors + firstX + ${t} % ${sizeX}u]`,
    put: `tileX[ofX + ${t}] = ${name};`,
  });
  const place = (t: string, half: number) =>
    `tileW[ofW + (2u * (${t} / ${sizeW}u) + ${half}u) * ${sizeW}u + ${t} % ${sizeW}u]`;
  const ofW = (t: string, name: string): Load => ({
    name,
    get: `W[({step} * ${perStep}u + ${t} / ${sizeW}u) * sizes.wVectors
      + firstW + ${t} % ${sizeW}u]`,
    put: nibbles
      ? `${place(t, 0)} = (${name} << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u);
      ${place(t, 1)} = ${name} & vec4<u32>(0xf0f0f0f0u);`
      : `tileW[ofW + ${t}] = ${name};`,
  });
  return [...shares(words * sizeX, ofX, 'nextX'), ...shares(perStep * sizeW, ofW, 'nextW')];
}

function fetchWgsl(loads: readonly Load[], step: string): string {
  return loads.map(({ get }) => get.replaceAll('{step}', step)).join('\n  ');
}

/** The scale of four columns of W in a step's group, and the sums of their codes where needed. */
function weightsWgsl(spec: TileSpec, step: string): string {
  const { whole, slices } = spec;
  const sums = `bitcast<vec4<i32>>(W[(sizes.sumAt + ${step}) * sizes.wVectors + column])`;
  // once in all
  const own = whole && slices > 1 ? `select(vec4<i32>(0), ${sums}, slice == 0u)` : sums;
  const wGroup = whole ? '0u' : `${step} / sizes.perGroup`;
  return `
    let scale = bitcast<vec4<f32>>(W[(sizes.scaleAt + ${wGroup}) * sizes.wVectors + column]);
    ${isApart(spec) ? '' : `let sums = ${own};`}`;
}

/**
 * Whether what zero points take away is added apart from the products, once for each column. The
 * sums of a step's products are small then, and count from `INTEGERS` on.
 */
function isApart({ whole, xGroups }: TileSpec): boolean {
  return !whole && !xGroups;
}

/** What zero points take away, in the first slice. */
function apartWgsl({ slices }: TileSpec): string {
  return `
  ${slices > 1 ? 'if (slice == 0u)' : ''} {
    let codeSums = bitcast<vec4<f32>>(W[sizes.sumAt * sizes.wVectors + column]);
    ${each((i) => `f${i} += f32(z${i}) * codeSums;`)}
  }`;
}

/** What sums of products begin with. */
function startWgsl(spec: TileSpec): string {
  return `vec4<i32>(${isApart(spec) ? floatBits(INTEGERS) : 0})`;
}

/** f += scale · (sums of products, with what zero points take away); the sums begin again. */
function flushWgsl(spec: TileSpec, step: string): string {
  const { whole, xGroups, nibbles } = spec;
  const xGroup = whole ? '0u' : `${step} / sizes.perXGroup`;
  const scaled = (i: number) =>
    xGroups ? ` * (${nibbles ? '0.0625f * ' : ''}scaleOfRow(row + ${i}u, xGroup))` : '';
  const zero = (i: number) => (xGroups ? `zeroOfRow(row + ${i}u, xGroup)` : `z${i}`);
  const products = (i: number) =>
    isApart(spec)
      ? `(bitcast<vec4<f32>>(a${i}) - ${wgslFloat(INTEGERS)})`
      : `vec4<f32>(a${i} + ${zero(i)} * sums)`;
  return `
    {
      ${xGroups ? `let xGroup = ${xGroup};` : ''}
      ${each((i) => `f${i} += ${products(i)} * (scale${scaled(i)});`)}
      ${whole ? '' : each((i) => `a${i} = ${startWgsl(spec)};`)}
      ${meanFlushWgsl(spec)}
    }`;
}

/** Four columns of a row, with what is added to them. */
function storeWgsl({ rows, aligned }: TileSpec): string {
  const added = (column: string) =>
    rows ? `added[(row / sizes.tokens) * sizes.n + ${column}]` : '0f';
  const vector = `
  let n = 4u * column;
  if (row >= sizes.m || n >= sizes.n) { return; }
  let z = y + vec4<f32>(${[0, 1, 2, 3].map((i) => added(`n + ${i}u`)).join(', ')});
  Y[row * (sizes.n / 4u) + column] =
    vec4<f32>(activate(z.x), activate(z.y), activate(z.z), activate(z.w));`;
  const scalars = `
  for (var i = 0u; i < 4u; i++) {
    let n = 4u * column + i;
    if (row < sizes.m && n < sizes.n) {
      Y[row * sizes.n + n] = activate(y[i] + ${added('n')});
    }
  }`;
  return `
fn store(row: u32, column: u32, y: vec4<f32>) {${aligned ? vector : scalars}
}`;
}
