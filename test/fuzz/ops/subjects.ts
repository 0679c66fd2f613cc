import { attentionSubject } from './attention.js';
import { channelCenterSubject, hadamardTransformSubject } from './centering.js';
import type { OpSubject } from './given.js';
import { layerNormSubject } from './layerNorm.js';
import { quantizedMatMulSubject } from './product.js';
import { fakeQuantSubject, hadaNormQuantizeSubject } from './quantizers.js';

/** Every public op; products twice as often as others, for they take the most. */
export const SUBJECTS: readonly OpSubject[] = [
  channelCenterSubject,
  hadamardTransformSubject,
  fakeQuantSubject,
  hadaNormQuantizeSubject,
  hadaNormQuantizeSubject,
  quantizedMatMulSubject,
  quantizedMatMulSubject,
  quantizedMatMulSubject,
  layerNormSubject,
  attentionSubject,
];
