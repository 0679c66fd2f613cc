import { HadaNormError } from '../../ops/numerics/errors.js';
import type { Sqnr } from './measured.js';
import type { Method } from './methods.js';

const LEAVE_OUT = "Give it another method by a rule, or treatment 'skip'.";
const CALIBRATE_AGAIN = "Calibrate on inputs that it can take, or give it a rule with 'skip'.";

/** @throws HadaNormError for a linear that gives no numbers, on the calibration data already. */
export function checkMeasured(
  op: string,
  name: string,
  method: Method,
  sqnr: Sqnr | null,
  exact: Float32Array | null,
): void {
  if (sqnr === null || !Number.isNaN(sqnr.output)) return;
  const linear = JSON.stringify(name);
  throw new HadaNormError(
    op,
    exact!.every(Number.isFinite)
      ? `quantized by ${method}, ${linear} gives NaN on the calibration data. ${LEAVE_OUT}`
      : `${linear} overflows float32 on the calibration data, unquantized. ${CALIBRATE_AGAIN}`,
  );
}
