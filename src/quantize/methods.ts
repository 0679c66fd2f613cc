/** How a linear is quantized: HadaNorm, one of the methods it is compared with, or a part of it. */
export type Method = 'hadanorm' | 'centered' | 'hadamard' | 'smoothquant' | 'rtn';

/** What a method is made of. */
export interface Parts {
  /** 'auto': where calibration kept tokens, what measures best there, else 'dynamic'. */
  readonly center: 'none' | 'static' | 'dynamic' | 'auto';
  readonly meanRank: number | 'auto';
  readonly scale: 'balanced' | 'std' | 'smoothquant' | 'none';
  readonly alpha: number;
  readonly rotate: boolean | 'auto';
  readonly signs: boolean;
}

export const NOTHING: Parts = {
  center: 'none',
  meanRank: 0,
  scale: 'none',
  alpha: 0.5,
  rotate: false,
  signs: false,
};

/** The methods as combinations of the same parts. */
export const METHODS: Readonly<Record<Method, Parts>> = {
  hadanorm: {
    center: 'auto',
    meanRank: 'auto',
    scale: 'balanced',
    alpha: 0.5,
    rotate: 'auto',
    signs: true,
  },
  centered: { ...NOTHING, center: 'dynamic', meanRank: 'auto' },
  hadamard: { ...NOTHING, rotate: true, signs: true },
  smoothquant: { ...NOTHING, scale: 'smoothquant' },
  rtn: NOTHING,
};
