import { MAX_VALUE, MIN_SCALE } from '../../ops/numerics/quantization.js';
import { assemblyOnly, type Description, region, roundUp, shared } from './describe.js';

/** What kernels of FakeQuant, ChannelCenter and HadaNormQuantize are told, and where they work. */
export const rows: Description = {
  constants: {
    COLUMNS: shared(
      16,
      'Columns of an item of `columnMeans` and `fakeQuantColumns`: a cache line.',
    ),
    WIDTH: assemblyOnly(
      512,
      'Columns gone through together, row by row, with what is known of them in L1.',
      'u32',
    ),
    MIN_SCALE: assemblyOnly(MIN_SCALE, 'The smallest scale of a quantizer.', 'f32'),
    MAX_VALUE: assemblyOnly(MAX_VALUE, 'The largest value of a code.', 'f32'),
  },
  enumerations: {},
  records: {
    Quantizer: {
      doc: 'y = scale · clamp(round(x / scale), low, high). All NaN without a meaningful range.',
      written: 'assembly',
      fields: {
        scale: ['f32', ''],
        zeroPoint: ['f32', ''],
        low: ['f32', ''],
        high: ['f32', ''],
      },
    },
    GroupRange: {
      doc: 'Of the values of a group; it holds 0.',
      written: 'table',
      fields: { low: ['f32', ''], high: ['f32', ''] },
    },
    FakeQuantRuns: {
      doc: 'FakeQuant where groups are runs of neighbours.',
      written: 'scratch',
      fields: {
        x: ['usize', ''],
        y: ['usize', ''],
        length: ['u32', 'elements of a row of runs: length · inner'],
        run: ['u32', 'elements of a run; the last of a row may be shorter'],
        numGroups: ['u32', 'run r is in group r mod numGroups'],
        ranges: ['usize', "GroupRange[numGroups]; 0: each run's own"],
        qMin: ['f32', ''],
        qMax: ['f32', ''],
        symmetric: ['i32', ''],
      },
    },
    FakeQuantColumns: {
      doc: 'FakeQuant where neighbours are in different groups.',
      written: 'scratch',
      fields: {
        x: ['usize', ''],
        y: ['usize', ''],
        length: ['u32', ''],
        inner: ['u32', ''],
        groupSize: ['u32', 'rows; the last group of `length` may be shorter'],
        ranges: ['usize', "GroupRange[groups]; 0: each group's own"],
        qMin: ['f32', ''],
        qMax: ['f32', ''],
        symmetric: ['i32', ''],
      },
    },
    QuantizedRows: {
      doc: 'What HadaNormQuantize does to the rows.',
      written: 'scratch',
      fields: {
        x: ['usize', 'f32 [samples · tokens, d]'],
        tokens: ['i32', 'of a sample'],
        d: ['i32', ''],
        means: ['usize', 'f32 [samples, d]; 0 for none'],
        meanStride: ['i32', "elements from one sample's means to the next's: d, or 0 for one mean"],
        scale: ['usize', 'f32 [d]; 0 for none'],
        plan: ['usize', 'HadamardPlan; 0 for none'],
        groupSize: ['i32', ''],
        isStatic: ['i32', ''],
        min: ['f32', ''],
        max: ['f32', ''],
        qMin: ['f32', ''],
        qMax: ['f32', ''],
        symmetric: ['i32', ''],
        offset: ['i32', 'symmetric: 2^(bits−1), what is added to the codes'],
        codes: ['usize', 'out: u8 [samples · tokens, d]'],
        scales: ['usize', 'out: f32 [samples · tokens, groups]'],
        zeroPoints: ['usize', 'out: likewise'],
      },
    },
  },
  layouts: {
    ColumnScratch: {
      doc: 'Scratch of a thread of `fakeQuantColumns`: what is known of each column.',
      of: [],
      pointers: false,
      regions: {
        scale: region('f32', ['WIDTH'], ''),
        low: region('f32', ['WIDTH'], ''),
        high: region('f32', ['WIDTH'], ''),
        bits: region('u32', ['WIDTH'], 'the largest, their sign dropped'),
        quantizer: region('u8', ['QUANTIZER_BYTES'], 'Quantizer'),
      },
    },
    RowScratch: {
      doc: 'Scratch of a thread of `hadaNormQuantize`.',
      of: ['d', 'tempBytes'],
      sizes: { paddedD: roundUp('d', 16) },
      pointers: false,
      regions: {
        quantizer: region('u8', [64], 'Quantizer; the row begins at a cache line'),
        row: region('f32', ['paddedD'], ''),
        temp: region('u8', ['tempBytes'], 'what the Hadamard plan wants'),
      },
    },
  },
};
