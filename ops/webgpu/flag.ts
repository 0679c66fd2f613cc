/** tfjs flag: whether kernels use WGSL's own dot product of four bytes where there is one. */
export const DOT4_FLAG = 'HADANORM_WEBGPU_DOT4';

/** tfjs flag: whether tfjs's own programs are recorded with what was made for them before. */
export const QUICK_FLAG = 'HADANORM_WEBGPU_QUICK_PROGRAMS';

/** tfjs flag: whether this package's models run from recorded plans. */
export const PLANS_FLAG = 'HADANORM_WEBGPU_PLANS';
