/** A WGSL kernel for tfjs from end to end: y = x / sqrt(mean(x²) + ε) for every row of x. */
import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend, WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu';

const INVOCATIONS = 64;

function rmsNormProgram([rows, columns]: readonly [number, number]): WebGPUProgram {
  return {
    variableNames: ['X'],
    outputShape: [rows, columns],
    // a workgroup for each row
    workgroupSize: [INVOCATIONS, 1, 1],
    dispatch: [rows, 1, 1],
    dispatchLayout: { x: [0, 1] },
    uniforms: 'epsilon : f32,',
    shaderKey: 'rmsNorm',
    getUserCode: () => `
      var<workgroup> parts : array<f32, ${INVOCATIONS}>;

      fn main(index : i32) {
        let row = index / ${INVOCATIONS};
        let columns = uniforms.xShape[1];
        let first = row * columns;
        var sum = 0f;
        for (var c = i32(localIndex); c < columns; c += ${INVOCATIONS}) {
          sum += X[first + c] * X[first + c];
        }
        parts[localIndex] = sum;
        workgroupBarrier();
        for (var half = ${INVOCATIONS / 2}u; half > 0u; half /= 2u) {
          if (localIndex < half) { parts[localIndex] += parts[localIndex + half]; }
          workgroupBarrier();
        }
        let scale = inverseSqrt(parts[0] / f32(columns) + uniforms.epsilon);
        for (var c = i32(localIndex); c < columns; c += ${INVOCATIONS}) {
          setOutputAtIndex(first + c, X[first + c] * scale);
        }
      }`,
  };
}

tf.registerKernel({
  kernelName: 'RmsNorm',
  backendName: 'webgpu',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    const webgpu = backend as WebGPUBackend;
    const program = rmsNormProgram(x.shape as [number, number]);
    const uniforms = [{ type: 'float32', data: [attrs?.epsilon as number] }];
    return webgpu.runWebGPUProgram(program, [x], 'float32', uniforms);
  },
});

/** x: float32 [rows, columns]; the shape of x. */
export function rmsNorm(x: tf.Tensor2D, epsilon = 1e-6): tf.Tensor2D {
  return tf.engine().runKernel('RmsNorm', { x }, { epsilon }) as tf.Tensor2D;
}
