// one import and one registerKernelOnce(kernel) per op
export {};
