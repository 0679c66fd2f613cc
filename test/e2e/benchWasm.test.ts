import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitWeights } from '../../models/builder/dit.js';
import { seededDitWeights } from '../../models/seeded.js';
import { sqnr } from '../../src/math/decibels.js';
import { benchDocs, WASM_PAGE, WEBGL_PAGE } from '../bench/docs.js';
import type { BenchRow } from '../bench/harness.js';
import {
  ACCUMULATORS,
  CHAIN,
  chainLoop,
  copyLoop,
  INSTRUCTIONS,
  type Instruction,
  instructionLoop,
} from '../bench/limitModule.js';
import { chainModel } from '../bench/onnxChain.js';
import { type OnnxDitOptions, onnxDit } from '../bench/onnxDit.js';
import type { OnnxPrecision } from '../bench/onnxLinear.js';
import { OnnxBuilder } from '../bench/onnxModel.js';
import { onnxTensor, openSession } from '../bench/onnxSession.js';
import type { BenchFile } from '../bench/report.js';
import { tablesOf } from '../bench/tables.js';
import {
  availableVariants,
  checkSame,
  readValues,
  setWasmBackend,
  VARIANTS,
} from '../bench/wasmVariants.js';
import { normal } from '../harness/numbers/random.js';
import { runNode } from '../harness/run/child.js';

const CONFIG = {
  ...{ inputSize: 8, patchSize: 2, channels: 4, hiddenSize: 64 },
  ...{ depth: 2, numHeads: 2, mlpRatio: 4, numClasses: 3 },
};

describe('Benchmark of the WASM kernels and its peers', () => {
  it('chains of linears give the peers what they give, in floats and by MatMulNBits', async () => {
    const linear = (inputs: number, outputs: number) => ({
      ...{ inputs, outputs, bias: normal(outputs, outputs) },
      matrix: normal(inputs * outputs, inputs, 0, inputs ** -0.5),
    });
    const pair = [linear(64, 96), linear(96, 64)];
    const x = normal(3 * 64, 5);
    const wanted = tf.tidy(() => {
      let y: tf.Tensor = tf.tensor2d(x, [3, 64]);
      for (const { inputs, outputs, matrix, bias } of [...pair, ...pair]) {
        y = tf.add(tf.matMul(y as tf.Tensor2D, tf.tensor2d(matrix, [inputs, outputs])), bias);
      }
      return (y.arraySync() as number[][])[0]!;
    });
    const least = { float32: 100, 4: 12, 8: 35 } as const;
    for (const precision of ['float32', 4, 8] as const) {
      const session = await openSession(chainModel(pair, 2, precision));
      const got = await session.run({ x: onnxTensor(x, [3, 64]) });
      await session.dispose();
      expect(sqnr(wanted, got), `${precision}`).to.be.above(least[precision]);
    }
  });

  before(setWasmBackend);

  it('the ONNX model is the graph model: float32 to rounding, else to its codes', async () => {
    const seeded = seededDitWeights(CONFIG, 3);
    // 100 dB are a hundred thousandth; the others are quantized, but not broken
    const ways: [OnnxPrecision, OnnxDitOptions, number, number][] = [
      ['float32', {}, 100, 200],
      ['int8', {}, 20, 60],
      ['float32', { batch: 2, attention: 'MultiHeadAttention' }, 100, 200],
      ['float32', { batch: 2, oneBlock: true }, 100, 200],
      [8, { batch: 2 }, 20, 60],
    ];
    for (const [precision, options, least, most] of ways) {
      const { batch = 1, oneBlock = false } = options;
      const own = (name: string) => name.replace('blocks.1.', 'blocks.0.');
      const weights = oneBlock
        ? new Map([...seeded].map(([name]) => [name, seeded.get(own(name))!]))
        : seeded;
      const { want, feeds } = await ditCase(weights, batch);
      const session = await openSession(onnxDit(CONFIG, seeded, precision, options));
      const db = sqnr(want, await session.run(feeds));
      await session.dispose();
      expect(db, `${precision} ${JSON.stringify(options)}`).to.be.within(least, most);
    }
  });

  it('an ONNX model cannot read what is not there, nor define a name twice', () => {
    const graph = new OnnxBuilder();
    const x = graph.input('x', 'float32', [1, 2]);
    expect(() => graph.node('Add', 'y', [x, 'z'])).to.throw('y reads z, which is not there');
    expect(() => graph.node('Neg', 'x', [x])).to.throw('a value x already');
    expect(() => graph.constant('c', [2, 2], new Float32Array(3))).to.throw('c has 3 values');
  });

  it('another result than the peer’s ends a benchmark, and so does NaN', () => {
    checkSame('same', [1, 2], [1, 2.001], 40);
    expect(() => checkSame('W4A8', [1, 1], [1, 2], 10)).to.throw('W4A8 gives another result');
    expect(() => checkSame('W4A8', [1, Number.NaN], [1, 2], 10)).to.throw('another result');
    expect(() => checkSame('W4A8', [1], [1, 2], 10)).to.throw('another result');
  });

  it('the loops of the limit do as many steps as they say', () => {
    // 3 turns add 3 each time
    expect(chainLoop()(3)).to.equal(3 * 3 * CHAIN);
    // each of 2 turns adds 3 times an accumulator to it; accumulator k starts at 4 + k
    const sums = Array.from({ length: ACCUMULATORS }, (_, k) => 16 * (4 + k));
    const whole = sums.reduce((xor, sum) => xor ^ sum, 0);
    const names = Object.keys(INSTRUCTIONS) as Instruction[];
    for (const name of names) {
      if (INSTRUCTIONS[name].relaxed && !availableVariants().includes('relaxed')) continue;
      expect(instructionLoop(name)(2), name).to.equal(whole);
    }
  });

  it('the copying loop copies 64 bytes a turn and no more', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = new Uint8Array(memory.buffer).map((_, i) => i % 251);
    new Uint8Array(memory.buffer).set(bytes);
    expect(copyLoop(memory)(3, 100, 1001)).to.equal(1001 + 3 * 64);
    bytes.copyWithin(1001, 100, 100 + 3 * 64);
    expect(new Uint8Array(memory.buffer)).to.deep.equal(bytes);
  });

  it('tables have a column for each peer of a case, and say which bars are reached', () => {
    const row = { suite: 's', case: 'c', ours: 'a', oursMs: 2 };
    const rows: BenchRow[] = [
      { ...row, peer: 'x', peerMs: 8, ratio: 4, bar: 3 },
      { ...row, peer: 'y', peerMs: 1, ratio: 0.5, bar: 1 },
      { ...row, ours: 'b', peer: 'x', peerMs: 8, ratio: 1.2345 },
      { ...row, suite: 't', peer: 'z', peerMs: 5, ratio: 2.5 },
    ];
    const [wide, long] = tablesOf(rows);
    expect(wide!.head).to.deep.equal(['case', 'ours', 'ms', '× x', '× y']);
    expect(wide!.rows).to.deep.equal([
      ['c', 'a', '2', '4 (≥ 3 ✓)', '0.5 (≥ 1 ✗)'],
      ['c', 'b', '2', '1.23', ''],
    ]);
    expect(long!.rows).to.deep.equal([['c', 'a', 'z', '2', '5', '2.5']]);
  });

  it('the document has a section for each engine, with how many cases reach each bar', () => {
    const row = { suite: 'wasm-linears', ours: 'W4A8', peer: 'ORT', oursMs: 1 };
    const file = (runtime: Record<string, string>, rows: BenchRow[]): BenchFile => {
      const machine = { cpu: 'a CPU', cores: 2, platform: 'linux', arch: 'x64' };
      return { machine, runtime, versions: { tfjs: '4.22.0' }, rows };
    };
    const node = { node: '22.1.0' };
    const files = [
      file(node, [{ ...row, case: 'a', peerMs: 2, ratio: 2, bar: 1.3 }]),
      file(node, [{ ...row, case: 'b', peerMs: 1, ratio: 1, bar: 1.3 }]),
      file({ browser: 'Chromium 140' }, [{ ...row, case: 'a', peerMs: 3, ratio: 3 }]),
    ];
    const text = benchDocs(WASM_PAGE, files);
    expect(text).to.include('| Linears | W4A8 | ORT | 1.30 | 1.50 | 1.00 | 1 of 2 |');
    expect(text).to.include('| a | W4A8 | ORT | 1 | 2 | 2 (≥ 1.3 ✓) |');
    expect(text?.match(/^## .*/gm)).to.deep.equal(['## Node 22.1.0', '## Chromium 140']);
    expect(benchDocs(WEBGL_PAGE, files), 'no rows, no page').to.equal(null);
    const gpu = { browser: 'Chromium 140', adapter: 'a GPU' };
    const both = [
      ...files,
      file(gpu, [{ ...row, suite: 'webgl-linears', case: 'a', peerMs: 3, ratio: 3 }]),
    ];
    const webgl = benchDocs(WEBGL_PAGE, both);
    expect(webgl?.match(/^## .*/gm)).to.deep.equal(['## Chromium 140, a GPU']);
    expect(webgl).to.include('| a | W4A8 | ORT | 1 | 3 | 3 |');
  });

  it('npm run bench measures a linear against every peer, on one thread and on two', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-bench-'));
    const file = join(folder, 'rows.json');
    const main = join('test', 'bench', 'main.ts');
    const suites = ['wasm-linears', 'wasm-overhead', 'wasm-threads', '--case', '384→1536, 256'];
    const quick = ['--rounds', '1', '--warm', '0', '--json', file];
    runNode(['--import', 'tsx', main, ...suites, ...quick]);
    const { rows, versions }: BenchFile = JSON.parse(readFileSync(file, 'utf8'));
    rmSync(folder, { recursive: true });
    expect(versions).to.include.keys('onnxruntime-web', 'tfjs-backend-wasm');
    const variants = availableVariants().map((variant) => VARIANTS[variant]);
    const peers = ['tfjs fp32', 'ORT fp32', 'ORT dynamic int8'];
    const linears = variants.flatMap((variant) =>
      ['W8A8', 'W4A8', 'W4A4'].flatMap((precision) =>
        peers.map((peer) => ['wasm-linears', `${precision}, ${variant}`, peer]),
      ),
    );
    const whole = ['wasm-overhead', `HadaNorm, ${variants[0]}`, `no HadaNorm, ${variants[0]}`];
    const threads = ['wasm-threads', '2 threads', '1 thread'];
    expect(rows.map(({ suite, ours, peer }) => [suite, ours, peer])).to.deep.equal([
      ...linears,
      ...[whole, whole, whole],
      threads,
    ]);
    for (const { ratio, oursMs, peerMs } of rows) {
      expect(ratio)
        .to.equal(peerMs / oursMs)
        .and.to.be.within(0.01, 100);
    }
    expect(rows.filter(({ bar }) => bar === 1.7)).to.have.length(1);
  });
});

/** What the graph model gives, and the same inputs for ONNX Runtime. */
async function ditCase(weights: DitWeights, batch: number) {
  const latent = normal(batch * 8 * 8 * 4, 5);
  const times = Float32Array.of(0.3, 0.8).subarray(0, batch);
  const labels = Int32Array.of(2, 0).subarray(0, batch);
  const model = await tf.loadGraphModel(tf.io.fromMemory(buildDit(CONFIG, weights)));
  const want = readValues(() => {
    const inputs = {
      latent: tf.tensor4d(latent, [batch, 8, 8, 4]),
      timestep: tf.tensor1d(times),
      label: tf.tensor1d(labels, 'int32'),
    };
    return model.execute(inputs) as tf.Tensor;
  });
  model.dispose();
  const feeds = {
    latent: onnxTensor(latent, [batch, 8, 8, 4]),
    timestep: onnxTensor(times, [batch]),
    label: onnxTensor(labels, [batch]),
  };
  return { want, feeds };
}
