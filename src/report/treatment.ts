import type { BranchKind } from '../quantize/branch.js';
import type { Treatment } from '../quantize/measured.js';

const CENTERS: Readonly<Record<Treatment['center'], string>> = {
  dynamic: 'center',
  static: 'static center',
  none: '',
};

const SCALES: Readonly<Record<Treatment['scale'], string>> = {
  balanced: 'balance',
  std: 'scale by std',
  smoothquant: 'scale as SmoothQuant',
  none: '',
};

const BRANCHES: Readonly<Record<BranchKind, string>> = {
  activations: 'branch of activations',
  subtracted: 'branch of activations, subtracted',
  weights: 'branch of weights',
  errors: 'branch of errors',
};

/** `center, balance, rotate`; `nothing` for what is quantized as it is. */
export function treatmentName({ center, scale, rotate, branch }: Treatment): string {
  const beside = branch === undefined ? '' : BRANCHES[branch];
  const parts = [CENTERS[center], SCALES[scale], rotate ? 'rotate' : '', beside];
  return parts.filter((part) => part !== '').join(', ') || 'nothing';
}

/** Whether all is done that HadaNorm can do. */
export function isWhole({ center, scale, rotate }: Treatment): boolean {
  return center === 'dynamic' && scale === 'balanced' && rotate;
}
