import { CALIBRATION, type TrajectoryRecipe } from '../../../src/diffusion/calibration.js';
import type { Calibration } from '../shared/choices.js';

/**
 * What the page calibrates on: little, to see something soon, or all that the project's own
 * measurements take.
 */
export const RECIPES: Readonly<Record<Calibration, TrajectoryRecipe>> = {
  quick: { samples: 4, steps: 8, keep: [0, 2, 4, 6, 7] },
  full: CALIBRATION,
};

/**
 * What a packed model's linears are measured on: other noise than that of the pictures, as for
 * calibration.
 */
export const MEASURED: TrajectoryRecipe = { samples: 2, steps: 4, keep: [1, 3] };
