import type { GradConfig, KernelConfig } from '@tensorflow/tfjs-core';
import { channelCenterOp } from './channelCenter/composite.js';
import { channelCenterGrad } from './channelCenter/grad.js';
import { channelCenterGraphOp } from './channelCenter/graphOp.js';
import { type NodeAttrs, nodeShapes } from './common/contract.js';
import type { GraphOp } from './common/graphOp.js';
import { type ComposedOp, compositeKernel } from './common/kernel.js';
import { fakeQuantOp } from './fakeQuant/composite.js';
import { fakeQuantGrad } from './fakeQuant/grad.js';
import { fakeQuantGraphOp } from './fakeQuant/graphOp.js';
import { hadamardTransformOp } from './hadamardTransform/composite.js';
import { hadamardTransformGrad } from './hadamardTransform/grad.js';
import { hadamardTransformGraphOp } from './hadamardTransform/graphOp.js';
import { hadaNormQuantizeOp } from './hadaNormQuantize/composite.js';
import { hadaNormQuantizeGraphOp } from './hadaNormQuantize/graphOp.js';
import { layerNormOp } from './modulatedLayerNorm/composite.js';
import { layerNormGraphOp } from './modulatedLayerNorm/graphOp.js';
import type { Dims } from './numerics/lengths.js';
import { quantizedMatMulOp } from './quantizedMatMul/composite.js';
import { quantizedMatMulGraphOp } from './quantizedMatMul/graphOp.js';
import { attentionOp } from './scaledDotProductAttention/composite.js';
import { attentionGraphOp } from './scaledDotProductAttention/graphOp.js';

/** The backends of tfjs 4.22; the ops run on any other backend too, as compositions. */
export const BACKENDS = ['cpu', 'tensorflow', 'wasm', 'webgl', 'webgpu'] as const;

/** Everything about an op that is the same on every backend. */
export interface OpDefinition {
  readonly kernelName: string;
  /** Null for an op that is for inference only. */
  readonly gradient: GradConfig | null;
  readonly graphOp: GraphOp;
  /** The shapes of a node's outputs from those of its inputs in order. */
  readonly outputShapes: (
    inputs: readonly (Dims | null)[],
    attrs: NodeAttrs,
  ) => readonly (Dims | null)[];
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
  op: ComposedOp<Inputs, Attrs>,
  gradient: GradConfig | null,
  graphOp: GraphOp,
): OpDefinition {
  return {
    kernelName: op.contract.kernelName,
    gradient,
    graphOp,
    outputShapes: (inputs, attrs) => nodeShapes(op.contract, inputs, attrs),
    composedKernel: (backendName) => compositeKernel(op, backendName),
  };
}
