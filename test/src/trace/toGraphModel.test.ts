import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  calibrate,
  describeGraph,
  fuseGraph,
  modulatedLayerNorm,
  rewriteGraph,
  scaledDotProductAttention,
  toGraphModel,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';

const [TOKENS, WIDTH, HEADS] = [6, 16, 2];

type Named = { [name: string]: tf.Tensor };

const matrix = (rows: number, columns: number, seed: number) =>
  tf.randomNormal<tf.Rank.R2>([rows, columns], 0, 0.3, 'float32', seed);

/** A block of a DiT as somebody writes it by hand: a class token, adaLN, attention, GELU. */
class Block {
  private readonly weights = {
    qkv: matrix(WIDTH, 3 * WIDTH, 1),
    out: matrix(WIDTH, WIDTH, 2),
    up: matrix(WIDTH, 4 * WIDTH, 3),
    down: matrix(4 * WIDTH, WIDTH, 4),
    condition: matrix(8, 6 * WIDTH, 5),
    token: tf.randomNormal([1, 1, WIDTH], 0, 1, 'float32', 6),
    position: matrix(TOKENS, WIDTH, 7),
  };

  readonly call = ({ x, condition }: Named): Named => {
    const { weights } = this;
    const samples = x!.shape[0]!;
    const token = tf.tile(weights.token, [samples, 1, 1]);
    let h = tf.concat([token, tf.add(x!, weights.position)], 1);
    const given = tf.matMul(tf.relu(condition!) as tf.Tensor2D, weights.condition);
    const adaLN = tf.split(tf.reshape(given, [samples, 1, 6 * WIDTH]), 6, -1);
    h = tf.add(h, tf.mul(this.attention(modulated(h, adaLN[0]!, adaLN[1]!)), adaLN[2]!));
    const up = linear(modulated(h, adaLN[3]!, adaLN[4]!), weights.up);
    const gelu = tf.mul(tf.mul(up, 0.5), tf.add(1, tf.erf(tf.div(up, Math.SQRT2))));
    h = tf.add(h, tf.mul(linear(gelu, weights.down), adaLN[5]!));
    return { y: h.slice([0, 1, 0], [samples, TOKENS, WIDTH]), first: h.slice([0, 0], [-1, 1]) };
  };

  dispose(): void {
    tf.dispose(this.weights);
  }

  private attention(x: tf.Tensor): tf.Tensor {
    const [samples, tokens] = x.shape as [number, number];
    const qkv = linear(x, this.weights.qkv);
    const parts = tf.transpose(
      tf.reshape(qkv, [samples, tokens, 3, HEADS, WIDTH / HEADS]),
      [2, 0, 3, 1, 4],
    );
    const [q, k, v] = tf.unstack(parts);
    const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(WIDTH / HEADS));
    const heads = tf.transpose(tf.matMul(tf.softmax(scores), v!), [0, 2, 1, 3]);
    return linear(tf.reshape(heads, [samples, tokens, WIDTH]), this.weights.out);
  }
}

function linear(x: tf.Tensor, w: tf.Tensor2D): tf.Tensor {
  const [samples, tokens, d] = x.shape as [number, number, number];
  const rows = tf.reshape(x, [samples * tokens, d]) as tf.Tensor2D;
  return tf.reshape(tf.matMul(rows, w), [samples, tokens, w.shape[1]]);
}

function modulated(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, tf.add(1, scale)), shift);
}

const blockInputs = (samples: number): Named => ({
  x: tf.randomNormal([samples, TOKENS, WIDTH], 0, 1, 'float32', samples),
  condition: tf.randomNormal([samples, 8], 0, 1, 'float32', 10 + samples),
});

/** ‖a − b‖ / ‖b‖ */
function difference(a: tf.Tensor, b: tf.Tensor): number {
  expect(a.shape).to.deep.equal(b.shape);
  return tf.tidy(() => tf.div(tf.norm(tf.sub(a, b)), tf.norm(b)).dataSync()[0]!);
}

/** A layer as users write them: what it does is tfjs's ops. */
class OwnAttention extends tf.layers.Layer {
  static readonly className = 'OwnAttention';
  private qkv: tf.LayerVariable | undefined;

  override build(shape: tf.Shape): void {
    const width = shape[2]!;
    const random = tf.initializers.randomNormal({ stddev: 0.3, seed: 5 });
    this.qkv = this.addWeight('qkv', [width, 3 * width], 'float32', random);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x] = [inputs].flat();
    const parts = tf.split(linear(x!, this.qkv!.read() as tf.Tensor2D), 3, 2);
    const [q, k, v] = parts;
    const scores = tf.mul(tf.matMul(q!, k!, false, true), WIDTH ** -0.5);
    return tf.matMul(tf.softmax(scores), v!);
  }
}

/** A small vision transformer of tf.layers. */
function layersModel(): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.randomNormal({ seed, stddev: 0.3 });
  let seed = 1;
  const dense = (units: number, activation?: 'relu') =>
    tf.layers.dense({
      units,
      kernelInitializer: seeded(seed++),
      biasInitializer: seeded(seed++),
      ...(activation && { activation }),
    });
  const image = tf.input({ shape: [8, 8, 3] });
  const patches = tf.layers.conv2d({
    filters: WIDTH,
    kernelSize: 2,
    strides: 2,
    kernelInitializer: seeded(90),
  });
  const x = tf.layers.reshape({ targetShape: [16, WIDTH] }).apply(patches.apply(image));
  const normal = tf.layers.layerNormalization().apply(x);
  const [q, k, v] = [0, 1, 2].map(() => dense(WIDTH).apply(normal) as tf.SymbolicTensor);
  const scores = tf.layers.dot({ axes: 2 }).apply([q!, k!]);
  const weights = tf.layers.softmax({ axis: 2 }).apply(scores) as tf.SymbolicTensor;
  const heads = tf.layers.dot({ axes: [2, 1] }).apply([weights, v!]);
  const h = tf.layers.add().apply([x, dense(WIDTH).apply(heads)] as tf.SymbolicTensor[]);
  const mlp = dense(WIDTH).apply(
    dense(4 * WIDTH, 'relu').apply(tf.layers.layerNormalization().apply(h)),
  );
  const sum = tf.layers.add().apply([h, mlp] as tf.SymbolicTensor[]);
  const pooled = tf.layers.globalAveragePooling1d({}).apply(sum);
  return tf.model({ inputs: image, outputs: dense(5).apply(pooled) as tf.SymbolicTensor });
}

const pictures = (samples: number) =>
  tf.randomNormal([samples, 8, 8, 3], 0, 1, 'float32', 20 + samples);

describeOnBackends('toGraphModel', () => {
  it('of a DiT block by hand: other inputs and batches as eager, every linear found', () => {
    const before = tf.memory().numTensors;
    const block = new Block();
    const example = blockInputs(2);
    const model = toGraphModel(block.call, example, { batch: 'free' });
    const roles = describeGraph(model).linears.map(({ role }) => role);
    expect(roles).to.deep.equal([
      'modulation',
      'attention.qkv',
      'attention.out',
      'mlp.in',
      'mlp.out',
    ]);
    const fused = fuseGraph(model);
    const one = blockInputs(1);
    const ofOne = toGraphModel(block.call, one, { batch: 'free' });
    for (const samples of [1, 2, 3, 5]) {
      tf.tidy(() => {
        const inputs = blockInputs(samples);
        const { y, first } = block.call(inputs);
        for (const graph of [model, fused, ofOne]) {
          const made = graph.execute(inputs, ['y', 'first']) as tf.Tensor[];
          expect(difference(made[0]!, y!)).to.be.at.most(1e-5);
          expect(difference(made[1]!, first!)).to.be.at.most(1e-5);
        }
      });
    }
    block.dispose();
    // the weights' memory is shared, and the graph's as long as it is there
    const made = model.predict(example) as tf.Tensor[];
    tf.dispose([made, example, one]);
    for (const each of [model, fused, ofOne]) each.dispose();
    expect(tf.memory().numTensors).to.equal(before);
  });

  it('of a LayersModel, and straight into describeGraph, calibrate and rewriteGraph', async () => {
    const before = tf.memory().numTensors;
    const layers = layersModel();
    const example = pictures(2);
    const model = toGraphModel(layers, example, { batch: 'free' });
    for (const samples of [1, 3]) {
      tf.tidy(() => {
        const x = pictures(samples);
        const wanted = layers.predict(x) as tf.Tensor;
        expect(difference(model.predict(x) as tf.Tensor, wanted)).to.be.at.most(1e-5);
      });
    }
    const text = describeGraph(layers).toString();
    expect(text).to.equal(describeGraph(model).toString());
    for (const role of ['attention.q', 'attention.k', 'attention.v', 'mlp.in', 'mlp.out']) {
      expect(text).to.include(role);
    }
    const stats = await calibrate(layers, [pictures(3)], { hessian: false, disposeBatches: true });
    const bits = {
      weights: { bits: null },
      activations: { bits: null },
      weightOnly: false,
    } as const;
    const { model: same, report } = rewriteGraph(layers, { stats, ...bits });
    for (const { name } of report.linears) expect(name).to.match(/^dense_Dense\d+\/BiasAdd$/);
    const wanted = layers.predict(example) as tf.Tensor;
    const made = same.predict(example) as tf.Tensor;
    expect(difference(made, wanted)).to.be.at.most(1e-5);
    tf.dispose([example, made, wanted]);
    for (const each of [same, model, layers]) each.dispose();
    expect(tf.memory().numTensors).to.equal(before);
  });

  it('of an MLP of layers in a list, with its names', () => {
    const mlp = tf.sequential({
      layers: [
        tf.layers.dense({ units: 12, activation: 'elu', inputShape: [WIDTH] }),
        tf.layers.batchNormalization(),
        tf.layers.dropout({ rate: 0.5 }),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    const model = toGraphModel(mlp, tf.ones([2, WIDTH]), { batch: 'free' });
    expect(model.inputs.map(({ name }) => name)).to.deep.equal([mlp.inputs[0]!.name]);
    const x = tf.randomNormal([5, WIDTH]);
    const wanted = mlp.predict(x) as tf.Tensor;
    expect(difference(model.predict(x) as tf.Tensor, wanted)).to.be.at.most(1e-5);
    expect(describeGraph(mlp).linears.map(({ shape }) => shape.join())).to.deep.equal([
      '16,12',
      '12,3',
    ]);
    for (const each of [model, mlp]) each.dispose();
  });

  it('of a layer with eager code of its own, and what is saved of it', async () => {
    const layers = tf.sequential({
      layers: [new OwnAttention({ inputShape: [TOKENS, WIDTH] }), tf.layers.dense({ units: 3 })],
    });
    const model = toGraphModel(layers, tf.ones([2, TOKENS, WIDTH]), { batch: 'free' });
    expect(describeGraph(layers).linears[0]!.role).to.equal('attention.qkv');
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'GraphDef' } };
      }),
    );
    const loaded = await tf.loadGraphModel(tf.io.fromMemory(saved!));
    const { x } = blockInputs(3);
    const wanted = layers.predict(x!) as tf.Tensor;
    for (const each of [model, loaded]) {
      expect(difference(each.predict(x!) as tf.Tensor, wanted)).to.be.at.most(1e-5);
      each.dispose();
    }
    layers.dispose();
  });

  it('of ids through an embedding, and of several outputs', () => {
    const ids = tf.input({ shape: [TOKENS], dtype: 'int32' });
    const embedded = tf.layers.embedding({ inputDim: 9, outputDim: WIDTH }).apply(ids);
    const pooled = tf.layers.globalMaxPooling1d().apply(embedded) as tf.SymbolicTensor;
    const layers = tf.model({ inputs: ids, outputs: [embedded as tf.SymbolicTensor, pooled] });
    const x = tf.tensor2d([...'012345678876543210'].map(Number), [3, TOKENS], 'int32');
    const model = toGraphModel(layers, x, { batch: 'free' });
    const wanted = layers.predict(x) as tf.Tensor[];
    const made = model.predict(x) as tf.Tensor[];
    for (const [i, y] of wanted.entries()) expect(difference(made[i]!, y)).to.equal(0);
    for (const each of [model, layers]) each.dispose();
  });

  it('of the fusions of this package', () => {
    const gamma = tf.ones([WIDTH]);
    const call = (x: tf.Tensor) => {
      const normal = modulatedLayerNorm(x, { gamma, epsilon: 1e-5 });
      return scaledDotProductAttention(normal, normal, x, { scale: 0.3 });
    };
    const x = blockInputs(3).x!;
    const model = toGraphModel(call, tf.ones([2, TOKENS, WIDTH]), { batch: 'free' });
    expect(difference(model.predict(x) as tf.Tensor, call(x))).to.be.at.most(1e-5);
    model.dispose();
  });
});
