/** What a trained model is calibrated on: so many samples, at these of 20 steps. */
export const CALIBRATION = { samples: 16, steps: 20, keep: [1, 5, 10, 15, 19] } as const;
