import { zoo } from '../../harness/graphs/zoo.js';
import { testStats } from '../../harness/models/zooStats.js';

describe('Statistics of the whole zoo', () => testStats(zoo()));
