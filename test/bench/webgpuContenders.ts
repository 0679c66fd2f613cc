import * as tf from '@tensorflow/tfjs';
import { currentBackend } from '../../ops/common/kernel.js';
import { encoderOf, submit, type WebgpuBackend } from '../../ops/webgpu/backend.js';
import { PLANS_FLAG, QUICK_FLAG } from '../../ops/webgpu/flag.js';
import { record } from '../../ops/webgpu/recording.js';
import { delivered, type Output, outputOf } from '../../src/plan/outputs.js';

/** What tfjs takes by itself, without what this package spares its programs. */
export function asTfjs<T extends tf.Tensor>(compute: () => T): () => T {
  return without(QUICK_FLAG, compute);
}

/** What a model takes program by program. */
export function unplanned<T extends tf.Tensor>(compute: () => T): () => T {
  return without(PLANS_FLAG, compute);
}

function without<T extends tf.Tensor>(flag: string, compute: () => T): () => T {
  return () => {
    tf.env().set(flag, false);
    try {
      return compute();
    } finally {
      tf.env().set(flag, true);
    }
  };
}

/** What a plan makes of some ops on tensors that are on the GPU. */
export function recorded(compute: () => tf.Tensor): {
  compute: () => tf.Tensor;
  dispose: () => void;
} {
  const backend = currentBackend<WebgpuBackend>();
  const once = () => {
    let output: Output | undefined;
    tf.tidy(() => {
      output = outputOf('bench', backend, compute());
    });
    return output!;
  };
  // compiles and packs
  once();
  const { recording, value: output } = record(backend, 'bench', once);
  if (output.kind === 'onGpu') recording.hold(output.buffer);
  return {
    compute: () => {
      recording.play(encoderOf(backend));
      const result = delivered(backend, output);
      submit(backend);
      return result;
    },
    dispose: () => recording.dispose(),
  };
}
