import { io } from '@tensorflow/tfjs-core';
import { fromHalfBits } from '../ops/numerics/half.js';
import { seedOf, uniformNumbers } from '../ops/numerics/random.js';
import { InvalidArgumentError } from '../src/index.js';
import { type DitConfig, ditWeightShapes } from './builder/ditConfig.js';

/** How strong the outliers are. */
export interface StressOptions {
  /** Factor on chosen channels of V, the input of attn.proj. A power of two is exact. */
  readonly valueFactor?: number;
  /** Added to other chosen channels of V: a mean that every token has. */
  readonly valueMean?: number;
  /**
   * Factor on chosen channels of the adaLN modulation, the inputs of attn.qkv and mlp.fc1. A power
   * of two is exact.
   */
  readonly modulationFactor?: number;
  /** Channels chosen each time. */
  readonly channels?: number;
  /** Of the choice: an integer ≥ 0. */
  readonly seed?: number;
}

/** What an absent option means. */
export const STRESS_DEFAULTS = {
  valueFactor: 16,
  valueMean: 2,
  modulationFactor: 8,
  channels: 6,
  seed: 0,
} as const satisfies StressOptions;

/**
 * Parts of an adaLN modulation, each d wide: (shift, scale, gate) of attention, then of the MLP.
 */
const MODULATION_PARTS = 6;

/**
 * The same function with the outliers of large models: SYNTHETIC, for measuring quantizers on. In
 * every block
 *
 * - channels of V are multiplied by `valueFactor`, and the rows of attn.proj that read them divided
 *   by it;
 * - other channels of V get `valueMean` added to their bias, which the bias of attn.proj takes back
 *   (attention's weights add up to 1, so a constant goes through them as it is);
 * - channels of shift and 1 + scale are multiplied by `modulationFactor`, before attention and
 *   before the MLP, and the rows of attn.qkv and mlp.fc1 that read them divided by it.
 *
 * In exact arithmetic the output is the same. With factors that are powers of two only the sums are
 * rounded otherwise.
 *
 * @param artifacts Of a DiT that `buildDit` built with attention 'fusedQkv', its weights in float32
 * or float16. Left as it is.
 * @returns A model in float32 whose `userDefinedMetadata.stress` says `synthetic: true` and the
 * options.
 * @throws InvalidArgumentError for another model, or a wrong option.
 */
export function stressArtifacts(
  artifacts: io.ModelArtifacts,
  options: StressOptions = {},
): io.ModelArtifacts {
  const config = configOf(artifacts);
  const settings = checkedOptions(options, config.hiddenSize);
  const constants = constantsOf(artifacts);
  for (let block = 0; block < config.depth; block++) {
    stressBlock(config, `blocks/${block}`, constants, settings);
  }
  const specs = (artifacts.weightSpecs ?? []).map(({ name, shape, dtype }) => {
    return { name, shape, dtype };
  });
  return {
    ...artifacts,
    weightSpecs: specs,
    weightData: io.CompositeArrayBuffer.join(specs.map(({ name }) => constants.get(name)!.buffer)),
    userDefinedMetadata: {
      ...artifacts.userDefinedMetadata,
      stress: { synthetic: true, ...settings },
    },
  };
}

type Settings = Required<StressOptions>;
type Values = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
type Constants = ReadonlyMap<string, Values>;

function stressBlock(
  { hiddenSize: d, mlpRatio }: DitConfig,
  block: string,
  constants: Constants,
  { valueFactor, valueMean, modulationFactor, channels, seed }: Settings,
): void {
  const matrix = (name: string, part: 'kernel' | 'bias', size: number) =>
    constantOf(constants, `${block}/${name}/${part}`, size);
  const choose = (what: string) => chosen(d, channels, seedOf(`${block}/${what}`, seed));
  const qkv = matrix('attn/qkv', 'kernel', 3 * d * d);
  const qkvBias = matrix('attn/qkv', 'bias', 3 * d);
  const proj = matrix('attn/proj', 'kernel', d * d);
  const projBias = matrix('attn/proj', 'bias', d);
  for (const channel of choose('value')) {
    scaleColumn(qkv, 3 * d, 2 * d + channel, valueFactor);
    scaleColumn(qkvBias, 3 * d, 2 * d + channel, valueFactor);
    scaleRow(proj, d, channel, 1 / valueFactor);
  }
  const taken = Float64Array.from(projBias);
  for (const channel of choose('mean')) {
    qkvBias[2 * d + channel]! += valueMean;
    for (let to = 0; to < d; to++) taken[to]! -= valueMean * proj[channel * d + to]!;
  }
  projBias.set(taken);
  const width = MODULATION_PARTS * d;
  const modulation = matrix('adaLN_modulation', 'kernel', d * width);
  const modulationBias = matrix('adaLN_modulation', 'bias', width);
  for (const [shift, reader, outputs] of [
    [0, qkv, 3 * d],
    [3, matrix('mlp/fc1', 'kernel', d * d * mlpRatio), d * mlpRatio],
  ] as const) {
    for (const channel of choose(`modulation ${shift}`)) {
      for (const part of [shift, shift + 1]) {
        scaleColumn(modulation, width, part * d + channel, modulationFactor);
        scaleColumn(modulationBias, width, part * d + channel, modulationFactor);
      }
      // f (1 + scale) = 1 + (f scale + f − 1)
      modulationBias[(shift + 1) * d + channel]! += modulationFactor - 1;
      scaleRow(reader, outputs, channel, 1 / modulationFactor);
    }
  }
}

/** Column `at` of a matrix [rows, width]. */
function scaleColumn(values: Float32Array, width: number, at: number, factor: number): void {
  for (let i = at; i < values.length; i += width) values[i]! *= factor;
}

function scaleRow(values: Float32Array, width: number, row: number, factor: number): void {
  for (let i = row * width; i < (row + 1) * width; i++) values[i]! *= factor;
}

/** `count` of d channels, without repetition (the start of a Fisher–Yates shuffle). */
function chosen(d: number, count: number, seed: number): number[] {
  const next = uniformNumbers(seed);
  const all = Array.from({ length: d }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(next() * (d - i));
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.slice(0, count);
}

function constantOf(constants: Constants, name: string, size: number): Float32Array<ArrayBuffer> {
  const values = constants.get(name);
  if (values instanceof Float32Array && values.length === size) return values;
  const wanted = `those of a DiT with attention 'fusedQkv', with ${size} float values ${name}`;
  throw invalid('artifacts', wanted, values === undefined ? 'none' : `${values.length}`);
}

/** All weights of a model, copied; halves are widened. */
function constantsOf({ weightSpecs = [], weightData }: io.ModelArtifacts): Constants {
  const data = io.CompositeArrayBuffer.join(weightData);
  let at = 0;
  const entries = weightSpecs.map(({ name, shape, dtype, quantization }): [string, Values] => {
    const kind = quantization?.dtype ?? dtype;
    if (kind !== 'float16' && kind !== 'float32' && kind !== 'int32') {
      throw invalid(`dtype of ${name}`, 'float32, float16 or int32', kind);
    }
    const size = shape.reduce((product, dim) => product * dim, 1);
    const part = data.slice(at, at + size * (kind === 'float16' ? 2 : 4));
    at += part.byteLength;
    if (kind === 'int32') return [name, new Int32Array(part)];
    if (kind === 'float32') return [name, new Float32Array(part)];
    return [name, Float32Array.from(new Uint16Array(part), fromHalfBits)];
  });
  return new Map(entries);
}

function configOf({ userDefinedMetadata }: io.ModelArtifacts): DitConfig {
  const config = userDefinedMetadata?.dit as DitConfig | undefined;
  if (typeof config?.hiddenSize === 'number' && ditWeightShapes(config).size > 0) return config;
  const wanted = 'those of buildDit, whose config is in userDefinedMetadata.dit';
  throw invalid('artifacts', wanted, 'artifacts without');
}

function checkedOptions(options: StressOptions, d: number): Settings {
  const settings = { ...STRESS_DEFAULTS, ...options };
  const { valueFactor, valueMean, modulationFactor, channels, seed } = settings;
  const check = (argument: keyof Settings, wanted: string, right: boolean) => {
    if (!right) throw invalid(argument, wanted, `${settings[argument]}`);
  };
  for (const key of Object.keys(options)) {
    const wanted = `among ${Object.keys(STRESS_DEFAULTS).join(', ')}`;
    if (!Object.hasOwn(STRESS_DEFAULTS, key)) throw invalid('options', wanted, key);
  }
  check('valueFactor', 'a number > 0', Number.isFinite(valueFactor) && valueFactor > 0);
  check('valueMean', 'a finite number', Number.isFinite(valueMean));
  const positive = Number.isFinite(modulationFactor) && modulationFactor > 0;
  check('modulationFactor', 'a number > 0', positive);
  const some = Number.isInteger(channels) && channels >= 1 && channels <= d;
  check('channels', `an integer in [1, ${d}]`, some);
  check('seed', 'an integer in [0, 2^32)', Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
  return settings;
}

function invalid(argument: string, wanted: string, got: string): InvalidArgumentError {
  return new InvalidArgumentError('stressArtifacts', argument, wanted, got);
}
