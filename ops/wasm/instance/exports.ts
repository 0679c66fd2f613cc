/** The exported kernels, by name. Every argument and result is a number. */
export type WasmExports = Readonly<Record<string, (...args: number[]) => number | undefined>>;
