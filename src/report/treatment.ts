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

/** `center, balance, rotate`; `nothing` for what is quantized as it is. */
export function treatmentName({ center, scale, rotate }: Treatment): string {
  const parts = [CENTERS[center], SCALES[scale], rotate ? 'rotate' : ''];
  return parts.filter((part) => part !== '').join(', ') || 'nothing';
}

/** Whether all is done that HadaNorm can do. */
export function isWhole({ center, scale, rotate }: Treatment): boolean {
  return center === 'dynamic' && scale === 'balanced' && rotate;
}
