// the bundle for script tags: everything public as the global `hadanorm`, chained methods included
export * from './index.js';
export * from './report.js';

import './chained.js';
