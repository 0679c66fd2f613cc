import * as tf from '@tensorflow/tfjs';
import type { BenchCase, BenchSuite, Contender, Contest } from './harness.js';
import { LinearSubject, PRECISIONS, type Precision } from './linearSubject.js';
import { linearModel, type OnnxCpuPrecision } from './onnxLinear.js';
import { onnxTensor, openSession } from './onnxSession.js';
import {
  availableVariants,
  BARS,
  checkSame,
  PEERS,
  readValues,
  resetVariant,
  setWasmBackend,
  VARIANTS,
  withVariant,
} from './wasmVariants.js';

/**
 * Widths of real models: each has q, k and v in one linear, a projection, and the two of its MLP.
 */
const MODELS: readonly (readonly [name: string, width: number])[] = [
  ['DiT-S', 384],
  ['DiT-XL', 1152],
  ['Flux', 3072],
];
const TOKENS = [64, 256, 1024] as const;

const ALL_PRECISIONS = Object.keys(PRECISIONS) as Precision[];

/**
 * How near a result must come to the float32 one, dB: it must be the same linear, not another,
 * faster one.
 */
const LEAST_DB = { W8A8: 30, W4A8: 15, W4A4: 12, float32: 80, int8: 25 } as const;

/** HadaNorm may cost a tenth of the linear. */
const OVERHEAD_BAR = 1 / 1.1;

/**
 * Quantized linears, from float32 activations to float32 results, against float32 and against ONNX
 * Runtime Web.
 */
export const linearSuite = suiteOf('wasm-linears', (name, subjectOf) =>
  TOKENS.map((tokens) => ({
    name: `${name}, ${tokens} tokens`,
    prepare: () => linearContest(subjectOf(), tokens),
  })),
);

/** The same linears against ones whose activations are quantized and nothing else. */
export const overheadSuite = suiteOf('wasm-overhead', (name, subjectOf) =>
  TOKENS.flatMap((tokens) =>
    ALL_PRECISIONS.map((precision) => ({
      name: `${name}, ${tokens} tokens, ${precision}`,
      prepare: () => overheadContest(subjectOf(), tokens, precision),
    })),
  ),
);

/**
 * A suite over all shapes of linears; a subject is made when its first case has its turn, and kept
 * until the next.
 */
function suiteOf(
  name: string,
  casesOf: (shape: string, subjectOf: () => LinearSubject) => BenchCase[],
): BenchSuite {
  const prepare = async () => {
    await setWasmBackend();
    let current: LinearSubject | null = null;
    const subjectOf = (d: number, n: number) => () => {
      if (current?.d !== d || current.n !== n) {
        current?.dispose();
        current = new LinearSubject(d, n);
      }
      return current;
    };
    const cases = MODELS.flatMap(([model, d]) => {
      const outputs = [
        [d, 3 * d],
        [d, d],
        [d, 4 * d],
        [4 * d, d],
      ] as const;
      return outputs.flatMap(([from, to]) =>
        casesOf(`${model} ${from}→${to}`, subjectOf(from, to)),
      );
    });
    return { cases, dispose: () => current?.dispose() };
  };
  return { name, prepare };
}

async function linearContest(subject: LinearSubject, tokens: number): Promise<Contest> {
  const x = subject.activations(tokens);
  const want = valuesOf(subject, x, (input) => subject.float(input));
  const ours = availableVariants().flatMap((variant) =>
    ALL_PRECISIONS.map((precision) => {
      const compute = (input: tf.Tensor2D) => subject.hadanorm(input, precision);
      const one = contender(precision, subject, x, compute);
      const bars = precision === 'W4A4' ? {} : { bars: BARS.linear[variant] };
      return withVariant(variant, { ...one, ...bars });
    }),
  );
  for (const precision of ALL_PRECISIONS) {
    const got = valuesOf(subject, x, (input) => subject.hadanorm(input, precision));
    checkSame(precision, got, want, LEAST_DB[precision]);
  }
  const float = await onnxContender(subject, x, 'float32', want);
  const int8 = await onnxContender(subject, x, 'int8', want);
  const tfjs = contender(PEERS.tfjs, subject, x, (input) => subject.float(input));
  const dispose = async () => {
    resetVariant();
    await float.dispose();
    await int8.dispose();
  };
  return { ours, peers: [tfjs, float, int8], dispose };
}

function overheadContest(subject: LinearSubject, tokens: number, precision: Precision): Contest {
  const x = subject.activations(tokens);
  const [variant] = availableVariants() as [keyof typeof VARIANTS];
  const plain = contender('no HadaNorm', subject, x, (input) => subject.plain(input, precision));
  const whole = contender('HadaNorm', subject, x, (input) => subject.hadanorm(input, precision));
  const bars = { [`no HadaNorm, ${VARIANTS[variant]}`]: OVERHEAD_BAR };
  return {
    ours: [withVariant(variant, { ...whole, bars })],
    peers: [withVariant(variant, plain)],
    dispose: resetVariant,
  };
}

/**
 * Activations come from JavaScript, as ONNX Runtime Web wants them; results stay where the next
 * layer would read them. The wasm backend has computed them when the call returns.
 */
function contender(
  name: string,
  { d }: LinearSubject,
  x: Float32Array,
  compute: (input: tf.Tensor2D) => tf.Tensor,
): Contender {
  return { name, run: () => void tf.tidy(() => void compute(tf.tensor2d(x, [x.length / d, d]))) };
}

async function onnxContender(
  { linear, d, n }: LinearSubject,
  x: Float32Array,
  precision: OnnxCpuPrecision,
  want: Float32Array,
): Promise<Contender & { dispose: () => Promise<void> }> {
  const session = await openSession(linearModel(linear, precision));
  const name = precision === 'float32' ? PEERS.onnxFloat : PEERS.onnxInt8;
  const feeds = { x: onnxTensor(x, [x.length / d, d]) };
  checkSame(name, await session.run(feeds), want.subarray(0, n), LEAST_DB[precision]);
  const run = async () => void (await session.run(feeds));
  return { name, run, dispose: session.dispose };
}

function valuesOf(
  { d }: LinearSubject,
  x: Float32Array,
  compute: (input: tf.Tensor2D) => tf.Tensor,
): Float32Array {
  return readValues(() => compute(tf.tensor2d(x, [x.length / d, d])));
}
