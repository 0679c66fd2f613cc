// the bundle for script tags: everything public as the global `hadanorm`, chained methods included
export * from './index.js';

import './chained.js';
