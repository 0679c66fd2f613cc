/** tfjs flag: whether kernels use WGSL's own dot product of four bytes where there is one. */
export const DOT4_FLAG = 'HADANORM_WEBGPU_DOT4';
