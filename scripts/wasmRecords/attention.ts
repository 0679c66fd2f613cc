import { PANEL_COLUMNS } from '../../ops/numerics/packing.js';
import { assemblyOnly, ceilDiv, type Description, region, shared } from './describe.js';

/** Keys of a block. */
const KEYS = 256;

/** What ScaledDotProductAttention's kernel is told, and where it works. */
export const attention: Description = {
  constants: {
    QUERIES: shared(16, 'Queries of a block: their scores against a block of keys stay in L1.'),
    KEYS: assemblyOnly(KEYS, 'Keys of a block.'),
    SCORE_ROW_BYTES: assemblyOnly(
      4 * KEYS + 64,
      "Between two queries' scores: rows a power of two apart would fall on the same cache lines.",
      'usize',
    ),
  },
  enumerations: {},
  records: {
    Attention: {
      doc: 'Addresses, and strides in bytes; a stride of 0 reads the same again.',
      written: 'scratch',
      fields: {
        q: ['usize', '[b, h, queries, channels], channels side by side'],
        k: ['usize', '[b, h, keys, channels]'],
        v: ['usize', '[b, h, keys, valueChannels]'],
        mask: ['usize', '[b, h, queries, keys]; 0 for none'],
        out: ['usize', '[b, h, queries, valueChannels]'],
        heads: ['i32', 'h'],
        queries: ['i32', ''],
        keys: ['i32', ''],
        channels: ['i32', ''],
        valueChannels: ['i32', ''],
        blocks: ['i32', 'of queries, per head'],
        scale: ['f32', ''],
        qSample: ['i32', ''],
        qHead: ['i32', ''],
        qToken: ['i32', ''],
        kSample: ['i32', ''],
        kHead: ['i32', ''],
        kToken: ['i32', ''],
        vSample: ['i32', ''],
        vHead: ['i32', ''],
        vToken: ['i32', ''],
        outSample: ['i32', ''],
        outHead: ['i32', ''],
        outToken: ['i32', ''],
        maskSample: ['i32', ''],
        maskHead: ['i32', ''],
        maskQuery: ['i32', ''],
        maskKey: ['i32', '4, or 0'],
      },
    },
  },
  layouts: {
    AttentionWork: {
      doc: 'Scratch of a thread: a head packed, and a block of its queries.',
      of: 'Attention',
      sizes: {
        keyPanels: ceilDiv('keys', PANEL_COLUMNS),
        valuePanels: ceilDiv('valueChannels', PANEL_COLUMNS),
      },
      pointers: true,
      regions: {
        keys: region('f32', ['keyPanels', 'channels', 'NR'], 'of a head'),
        values: region('f32', ['valuePanels', 'keys', 'NR'], 'of a head'),
        queries: region(
          'f32',
          ['QUERIES', 'channels'],
          'of a block, scaled: [tiles][channels][MR]',
        ),
        scores: region('u8', ['QUERIES', 'SCORE_ROW_BYTES'], ''),
        sums: region('f32', ['valuePanels', 'QUERIES', 'NR'], 'Σ weight · value'),
        largest: region('f32', ['QUERIES'], 'score so far'),
        totals: region('f32', ['QUERIES'], 'Σ weight'),
      },
    },
  },
};
