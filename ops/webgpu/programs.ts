/** Corrections of tfjs-backend-webgpu 4.22's own programs. */

/** The parts of its backend and programs that are used here. */
export interface ProgramBackend {
  readonly tensorMap: { get(dataId: object): { readonly dtype: string } };
  runWebGPUProgram(program: Program, inputs: readonly DeviceTensor[], ...rest: unknown[]): unknown;
}

interface Program {
  readonly shaderKey: string;
  getUserCode?: () => string;
}

interface DeviceTensor {
  readonly dataId: object;
}

/**
 * Makes transpositions of integers compile, of int32 and bool, and of what was cast from them,
 * which shares their memory. tfjs hands the integers that it reads to what takes floats: no
 * pipeline is made, and whatever the result's buffer held comes out. Sums, means and maxima over
 * other axes than the last go through the same program.
 */
export function correctTransposes(backend: ProgramBackend): void {
  const run = backend.runWebGPUProgram;
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const code = program.getUserCode;
    if (code !== undefined && isTransposeOfIntegers(backend, program, inputs)) {
      program.getUserCode = () => code.call(program).replaceAll(TAKES_FLOATS, TAKES_INTEGERS);
    }
    return run.call(backend, program, inputs, ...rest);
  };
}

const TAKES_FLOATS = 'setOutputAtIndex(flatIndex, A[';
const TAKES_INTEGERS = 'setOutputAtIndexI32(flatIndex, A[';

function isTransposeOfIntegers(
  { tensorMap }: ProgramBackend,
  { shaderKey }: Program,
  [x]: readonly DeviceTensor[],
): boolean {
  if (x === undefined || !shaderKey.startsWith('transpose_')) return false;
  const { dtype } = tensorMap.get(x.dataId);
  return dtype === 'int32' || dtype === 'bool';
}
