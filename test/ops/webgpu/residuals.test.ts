import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { checkBackends } from '../../../ops/common/alive.js';
import { currentBackend } from '../../../ops/common/kernel.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import { MOST_IN_PASS } from '../../../ops/webgpu/dispatch.js';
import { modulatedLayerNorm } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const [SAMPLES, TOKENS, D] = [2, 3, 20];
const ALL = SAMPLES * TOKENS * D;

describeOnBackends('Residuals and modulations that are put off', (backend) => {
  if (backend !== 'webgpu') return;

  before(() => checkBackends('test'));

  /** On the GPU. */
  const onGpu = <T extends tf.Tensor>(x: T): T => {
    const webgpu = currentBackend<WebgpuBackend>();
    webgpu.uploadToGPU(x.dataId);
    return x;
  };
  const values = { x: normal(ALL, 1, 3), branch: normal(ALL, 2), gate: normal(SAMPLES * D, 3) };
  const scales = normal(SAMPLES * D, 4, 0, 0.3);
  const made = () => ({
    x: onGpu(tf.tensor3d(values.x, [SAMPLES, TOKENS, D])),
    branch: onGpu(tf.tensor3d(values.branch, [SAMPLES, TOKENS, D])),
    gate: onGpu(tf.tensor3d(values.gate, [SAMPLES, 1, D])),
    scale: onGpu(tf.tensor3d(scales, [SAMPLES, 1, D])),
  });
  const gateOf = (i: number) => values.gate[Math.floor(i / (TOKENS * D)) * D + (i % D)]!;
  const product = values.branch.map((value, i) => value * gateOf(i));
  const sum = product.map((value, i) => value + values.x[i]!);
  /** How many programs something takes. */
  const programs = (run: () => void) => {
    const webgpu = currentBackend<WebgpuBackend>();
    webgpu.ensureCommandEncoderReady();
    webgpu.endComputePassEncoder();
    webgpu.submitQueue();
    const before = webgpu.dispatchCountInPass;
    run();
    return webgpu.dispatchCountInPass - before;
  };
  const norm = (sums: Float32Array) =>
    Float32Array.from(sums, (value, i) => {
      const row = sums.subarray(i - (i % D), i - (i % D) + D);
      const mean = row.reduce((a, b) => a + b, 0) / D;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / D;
      const factor = 1 + scales[Math.floor(i / (TOKENS * D)) * D + (i % D)]!;
      return ((value - mean) / Math.sqrt(variance + 1e-6)) * factor;
    });

  for (const [what, add] of [
    ['x + gate · branch', ({ x, gate, branch }) => tf.add(x, tf.mul(gate, branch))],
    ['branch · gate + x', ({ x, gate, branch }) => tf.add(tf.mul(branch, gate), x)],
  ] as [string, (all: ReturnType<typeof made>) => tf.Tensor][]) {
    it(`${what} and 1 + scale are the layer norm's, in one program`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const all = made();
          const one = tf.scalar(1);
          let sums: tf.Tensor | undefined;
          let y: tf.Tensor | undefined;
          const taken = programs(() => {
            sums = add(all);
            y = modulatedLayerNorm(sums, { factor: tf.add(all.scale, one) });
          });
          expect(taken).to.equal(1);
          expectWithin(sums!.dataSync(), sum, 1e-6);
          expectWithin(y!.dataSync(), norm(sum), 1e-5);
        }),
      );
    });
  }

  it('parts of a modulation are read where they are, and computed for who looks', () => {
    const parts = { shift: normal(SAMPLES * D, 5), scale: scales, gate: values.gate };
    // [samples, 3 · D]
    const rows = (sample: number) =>
      Object.values(parts).flatMap((v) => [...v.slice(sample * D, (sample + 1) * D)]);
    expectNoLeak(() =>
      tf.tidy(() => {
        const { x, branch } = made();
        const all = onGpu(tf.tensor2d([...rows(0), ...rows(1)], [SAMPLES, 3 * D]));
        let seen: tf.Tensor[] = [];
        const taken = programs(() => {
          const [shift, scale, gate] = tf
            .split(all, 3, -1)
            .map((part) => tf.reshape(part, [SAMPLES, 1, D]));
          const sums = tf.add(x, tf.mul(branch, gate!));
          seen = [shift!, modulatedLayerNorm(sums, { shift: shift!, factor: tf.add(scale!, 1) })];
        });
        expect(taken).to.equal(1);
        const shifted = norm(sum).map(
          (value, i) => value + parts.shift[Math.floor(i / (TOKENS * D)) * D + (i % D)]!,
        );
        expectWithin(seen[1]!.dataSync(), shifted, 1e-5);
        expect(programs(() => tf.add(seen[0]!, seen[0]!))).to.equal(2);
        expect([...seen[0]!.dataSync()]).to.deep.equal([...parts.shift]);
      }),
    );
  });

  it('who looks without a layer norm finds what tfjs gives', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const { x, branch, gate, scale } = made();
        const gated = tf.mul(branch, gate);
        const sums = tf.add(x, gated);
        expectWithin(tf.add(sums, 0).dataSync(), sum, 1e-6);
        expectWithin(gated.dataSync(), product, 1e-6);
        expectWithin(sums.dataSync(), sum, 1e-6);
        const more = tf.add(2.5, scale);
        expectWithin(
          tf.reshape(more, [SAMPLES * D]).dataSync(),
          scales.map((v) => v + 2.5),
          1e-6,
        );
      }),
    );
  });

  it('operands that are disposed of before live as long as they are needed', () => {
    expectNoLeak(() => {
      const { x, branch, gate, scale } = made();
      const gated = tf.mul(branch, gate);
      const sums = tf.add(x, gated);
      const factor = tf.add(scale, 1);
      tf.dispose([x, branch, gate, gated, scale]);
      const y = modulatedLayerNorm(sums, { factor });
      expectWithin(y.dataSync(), norm(sum), 1e-5);
      expectWithin(sums.dataSync(), sum, 1e-6);
      tf.dispose([sums, factor, y]);
    });
  });

  it('attention and MLP side by side have one gate, a part of what goes early', () => {
    // [samples, 2 · D]: a gate and a scale
    const rows = (sample: number) =>
      [values.gate, scales].flatMap((v) => [...v.slice(sample * D, (sample + 1) * D)]);
    expectNoLeak(() => {
      const { x, branch, gate: other, scale } = made();
      const all = onGpu(tf.tensor2d([...rows(0), ...rows(1)], [SAMPLES, 2 * D]));
      const parts = tf.split(all, 2, -1);
      const [gate, more] = parts.map((part) => tf.reshape(part, [SAMPLES, 1, D]));
      const second = onGpu(tf.tensor3d(values.branch, [SAMPLES, TOKENS, D]));
      const gated = [tf.mul(branch, gate!), tf.mul(second, gate!)];
      const attended = tf.add(x, gated[0]!);
      const sums = tf.add(attended, gated[1]!);
      const factor = tf.add(more!, 1);
      tf.dispose([x, branch, second, other, scale, all, gate!, more!, attended]);
      tf.dispose([...parts, ...gated]);
      // what nobody holds goes at the next submission, so at once
      const size = tf.env().getNumber(MOST_IN_PASS);
      tf.env().set(MOST_IN_PASS, 1);
      const y = modulatedLayerNorm(sums, { factor });
      tf.env().set(MOST_IN_PASS, size);
      const twice = Float32Array.from(sum, (value, i) => value + product[i]!);
      expectWithin(y.dataSync(), norm(twice), 1e-5);
      expectWithin(sums.dataSync(), twice, 1e-6);
      tf.dispose([sums, factor, y]);
    });
  });

  it('a number more is taken along in the factor alone, and once', () => {
    const rows = (i: number) => Math.floor(i / (TOKENS * D)) * D + (i % D);
    const plain = sum.map((value, i) => value + product[i]! / gateOf(i)); // x + branch (1 + gate)
    expectNoLeak(() =>
      tf.tidy(() => {
        const all = made();
        const opened = tf.add(all.x, tf.mul(all.branch, tf.add(all.gate, 1)));
        const factor = tf.add(tf.add(all.scale, 0.5), 0.5);
        const y = modulatedLayerNorm(opened, { factor, shift: tf.add(all.gate, 7) });
        expectWithin(opened.dataSync(), plain, 1e-5);
        const wanted = norm(plain).map((value, i) => value + values.gate[rows(i)]! + 7);
        expectWithin(y.dataSync(), wanted, 1e-5);
      }),
    );
  });

  it('variables that are assigned meanwhile are taken as they were', () => {
    expectNoLeak(() => {
      const { x, branch, gate, scale } = made();
      const [held, parts] = [tf.variable(branch), tf.variable(gate)];
      const times = tf.mul(held, gate);
      const gated = tf.add(x, times);
      const halves = tf.split(parts, 2, -1);
      const zeros = [tf.zerosLike(branch), tf.zerosLike(gate)] as const;
      held.assign(zeros[0]);
      parts.assign(zeros[1]);
      expectWithin(gated.dataSync(), sum, 1e-6);
      const first = Float32Array.from({ length: (SAMPLES * D) / 2 }, (_, i) => {
        const [sample, column] = [Math.floor(i / (D / 2)), i % (D / 2)];
        return values.gate[sample * D + column]!;
      });
      expectWithin(halves[0]!.dataSync(), first, 1e-6);
      for (const one of [held, parts]) expect(one.dataSync().every((v) => v === 0)).to.equal(true);
      tf.dispose([x, branch, gate, scale, times, gated, ...halves, ...zeros, held, parts]);
    });
  });

  it('a long chain that nobody looks at fills no stack', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const { x, branch, gate } = made();
        let chain: tf.Tensor = x;
        const wanted = values.x.slice();
        for (let link = 0; link < 3000; link++) {
          chain = tf.add(chain, tf.mul(branch, gate));
          for (let i = 0; i < ALL; i++) wanted[i]! += product[i]!;
        }
        expectWithin(chain.dataSync(), wanted, 0.01);
      }),
    );
  });

  it('a product that was looked at before is added as it is', () => {
    tf.tidy(() => {
      const { x, branch, gate } = made();
      const gated = tf.mul(branch, gate);
      const sums = tf.add(x, gated);
      gated.dataSync();
      const y = modulatedLayerNorm(sums, { factor: tf.add(made().scale, 1) });
      expectWithin(y.dataSync(), norm(sum), 1e-5);
    });
  });

  it('numbers cast from integers, and other shapes, are as tfjs has them', () => {
    tf.tidy(() => {
      const whole = tf.cast(onGpu(tf.tensor3d([1, 2, 3, 4], [1, 2, 2], 'int32')), 'float32');
      const gate = onGpu(tf.tensor3d([2, 3], [1, 1, 2]));
      expect([...tf.mul(whole, gate).dataSync()]).to.deep.equal([2, 6, 6, 12]);
      const column = onGpu(tf.tensor3d([2, 3], [1, 2, 1]));
      expect([...tf.mul(gate, column).dataSync()]).to.deep.equal([4, 6, 6, 9]);
      const rows = tf.add(tf.mul(onGpu(tf.ones([1, 2, 2])), gate), gate);
      expect([...rows.dataSync()]).to.deep.equal([4, 6, 4, 6]);
      const onlyOnGpu = onGpu(tf.scalar(4));
      expect([...tf.add(gate, onlyOnGpu).dataSync()]).to.deep.equal([6, 7]);
    });
  });
});
