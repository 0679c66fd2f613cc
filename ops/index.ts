import type { GradConfig, KernelConfig } from '@tensorflow/tfjs-core';
import { channelCenterGrad } from './channelCenter/grad.js';
import { channelCenterGraphOp } from './channelCenter/graphOp.js';
import { channelCenterOp } from './channelCenter/op.js';
import type { GraphOp } from './common/graphOp.js';
import { compositeKernel, type OpContract } from './common/kernel.js';
import { fakeQuantGrad } from './fakeQuant/grad.js';
import { fakeQuantGraphOp } from './fakeQuant/graphOp.js';
import { fakeQuantOp } from './fakeQuant/op.js';
import { hadamardTransformGrad } from './hadamardTransform/grad.js';
import { hadamardTransformGraphOp } from './hadamardTransform/graphOp.js';
import { hadamardTransformOp } from './hadamardTransform/op.js';
import { hadaNormQuantizeGraphOp } from './hadaNormQuantize/graphOp.js';
import { hadaNormQuantizeOp } from './hadaNormQuantize/op.js';
import { layerNormGraphOp } from './modulatedLayerNorm/graphOp.js';
import { layerNormOp } from './modulatedLayerNorm/op.js';
import { quantizedMatMulGraphOp } from './quantizedMatMul/graphOp.js';
import { quantizedMatMulOp } from './quantizedMatMul/op.js';
import { attentionGraphOp } from './scaledDotProductAttention/graphOp.js';
import { attentionOp } from './scaledDotProductAttention/op.js';

/** The backends of tfjs 4.22; the ops run on any other backend too, as compositions. */
export const BACKENDS = ['cpu', 'tensorflow', 'wasm', 'webgl', 'webgpu'] as const;

/** Everything about an op that is the same on every backend. */
export interface OpDefinition {
  readonly kernelName: string;
  /** Null for an op that is for inference only. */
  readonly gradient: GradConfig | null;
  readonly graphOp: GraphOp;
  /** The kernel that composes tfjs ops, for a backend without one of its own. */
  readonly composedKernel: (backendName: string) => KernelConfig;
}

/** Every op of the package. */
export const OPS: readonly OpDefinition[] = [
  definition(hadamardTransformOp, hadamardTransformGrad, hadamardTransformGraphOp),
  definition(channelCenterOp, channelCenterGrad, channelCenterGraphOp),
  definition(fakeQuantOp, fakeQuantGrad, fakeQuantGraphOp),
  definition(hadaNormQuantizeOp, null, hadaNormQuantizeGraphOp),
  definition(quantizedMatMulOp, null, quantizedMatMulGraphOp),
  definition(attentionOp, null, attentionGraphOp),
  definition(layerNormOp, null, layerNormGraphOp),
];

function definition<Inputs, Attrs>(
  op: OpContract<Inputs, Attrs>,
  gradient: GradConfig | null,
  graphOp: GraphOp,
): OpDefinition {
  const composedKernel = (backendName: string) => compositeKernel(op, backendName);
  return { kernelName: op.kernelName, gradient, graphOp, composedKernel };
}
