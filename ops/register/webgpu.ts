import { registerLife } from '../common/life.js';
import { webgpuLife } from '../webgpu/life.js';

registerLife(webgpuLife);
