/** An ablation, null where nothing is known. */
export type KnownAblation = readonly (readonly (number | null)[])[];

/**
 * Mean output SQNR in dB of the weights that the models had before they were trained again, as
 * `ablate` gives it, measured in PyTorch: quantizers as `ablate` has them, 8 pictures at 5 times.
 */
export const FIRST_ROUND: Readonly<Record<string, KnownAblation>> = {
  avatars: [
    [41.0, 20.1, 16.1, 9.3],
    [42.0, 20.1, 17.0, 9.9],
    [42.4, 20.2, 17.5, 10.3],
    [42.3, 21.5, 17.6, 10.9],
    [43.8, 21.6, 18.9, 11.7],
    [43.8, 21.7, 18.8, 11.7],
    [44.8, 22.7, 19.9, 12.7],
    [null, 22.5, 19.8, null],
  ],
  'avatars-nano': [
    [41.1, 20.1, 16.2, 9.6],
    [42.4, 20.5, 17.5, 10.5],
    [43.0, 20.7, 18.1, 10.9],
    [42.6, 21.8, 18.0, 11.4],
    [null, null, null, null],
    [44.7, 22.5, 19.8, 12.6],
    [45.9, 23.6, 21.0, 13.8],
    [null, 23.2, 20.8, null],
  ],
};
