import { BLOCK_ROWS, PANEL_COLUMNS } from '../../ops/numerics/packing.js';
import type { Activation } from '../../ops/quantizedMatMul/contract.js';
import { choose, type Description, region, roundUp, shared, sum } from './describe.js';

/** Rows in a tile. */
const MR = 4;

/** As the kernels number them. */
const ACTIVATIONS: readonly Activation[] = ['none', 'gelu', 'geluTanh', 'silu', 'relu'];

/** What QuantizedMatMul's kernels are told, and where they work. */
export const product: Description = {
  constants: {
    MR: shared(MR, 'Rows in a tile.'),
    NR: shared(PANEL_COLUMNS, 'Columns in a panel.'),
    STEP: shared(BLOCK_ROWS, 'Neighbours along k that the integer kernels take at a time.'),
    DIGITS: shared(
      3,
      'Rows that stand for a row of floats: digits of base 256, the highest first.',
    ),
  },
  enumerations: {
    ACTIVATION: { values: ACTIVATIONS, doc: 'What is applied to a product.' },
  },
  records: {
    Segment: {
      doc:
        'A run of the reduction in one group of weights, one group of activations ' +
        'and one chunk.',
      written: 'table',
      fields: {
        start: ['i32', 'a multiple of STEP'],
        steps: ['i32', 'of STEP along k'],
        weightGroup: ['i32', ''],
        activationGroup: ['i32', ''],
      },
    },
    Product: {
      doc: 'out [tokens, n] = activation(scale · (codes − zeroPoint) W + rows).',
      written: 'scratch',
      fields: {
        codes: ['usize', 'packed codes in panel order; bits 32: f32 [k, n]'],
        bits: ['i32', ''],
        k: ['i32', ''],
        n: ['i32', ''],
        scale: ['usize', 'f32 [groups, n]'],
        groupSize: ['i32', ''],
        segments: ['usize', 'Segment[segmentCount]'],
        segmentCount: ['i32', ''],
        chunkSegments: ['usize', 'i32 [chunkCount + 1]: first segment of each chunk'],
        chunkCount: ['i32', ''],
        chunkRows: ['i32', 'rows of weights unpacked at a time, a multiple of STEP'],
        rows: ['usize', 'PackedTile[tokenTiles + residualTiles]; floats: f32 [tokens, k]'],
        residual: ['usize', 'floats: f32 [samples, k]'],
        tokenTiles: ['i32', ''],
        residualTiles: ['i32', "of the rows that stand for the samples' means"],
        offsets: ['usize', 'relaxed: TileOffsets[tiles], where the accumulators start'],
        flushSteps: ['i32', 'relaxed: steps of STEP along k that 16-bit sums can take'],
        flip: ['i32', 'relaxed: 128 turns 8-bit codes u into q, 0 leaves them'],
        groupScale: ['usize', 'TileGroups[tiles]; 0 for a scale per token'],
        groupShift: [
          'usize',
          'relaxed: TileGroups[tiles], zero points less what was subtracted; or 0',
        ],
        activationGroups: ['i32', ''],
        tokens: ['i32', ''],
        samples: ['i32', ''],
        tokenScale: ['usize', 'f32 [tokenTiles · MR]; 0 where x is float32'],
        sampleOf: ['usize', 'i32 [tokenTiles · MR]'],
        residualScale: ['usize', 'f32 [samples]; 0 where the residual is no digits'],
        coefficients: ['usize', 'f32 [samples, rank]'],
        basis: ['usize', 'f32 [rank, n]'],
        rank: ['i32', ''],
        bias: ['usize', 'f32 [n]; 0 for none'],
        along: ['usize', 'TileAlong[tokenTiles]; 0 for none'],
        alongRank: ['i32', ''],
        directions: ['usize', 'f32 [directionRows, n]'],
        directionScale: ['usize', 'f32 [directionRows]; 0 for none'],
        directionRows: ['i32', 'alongRank, and up to as many again, of the same directions'],
        activation: ['i32', 'ACTIVATION'],
        out: ['usize', 'f32 [tokens, n]'],
      },
    },
    PackedRows: {
      doc: 'Activations as codes, and the tiles to make of them.',
      written: 'scratch',
      fields: {
        codes: ['usize', 'u8 [tokens, k]'],
        scale: ['usize', 'f32 [tokens, groups]'],
        zeroPoint: ['usize', 'f32 [tokens, groups]'],
        groups: ['i32', ''],
        k: ['i32', ''],
        tokens: ['i32', ''],
        tokensPerSample: ['i32', ''],
        digits: ['usize', 'RowDigits[samples], which come after the tokens'],
        digitRows: ['i32', 'DIGITS · samples, or 0'],
        segments: ['usize', 'Segment[segmentCount]'],
        segmentCount: ['i32', ''],
        subtract: ['i32', 'from every code; −1: its zero point'],
        weightOffset: ['i32', 'relaxed: 2^(b−1)'],
        rows: ['usize', 'out: PackedTile[tiles]'],
        offsets: ['usize', 'out, relaxed: TileOffsets[tiles]'],
        groupScale: ['usize', 'out: TileGroups[tiles], 0 for none'],
        groupShift: ['usize', 'out: zero points less `subtract`, likewise'],
        tokenScale: ['usize', 'out: f32 [token tiles · MR]'],
        sampleOf: ['usize', 'out: i32 [token tiles · MR], 0 for rows without one'],
      },
    },
  },
  layouts: {
    Panel: {
      doc: 'Scratch of a thread for a panel of weights.',
      of: 'Product',
      sizes: {
        weightBytes: choose({ field: 'tokenScale', test: 'zero', chosen: 4, otherwise: 2 }),
        tiles: sum('tokenTiles', 'residualTiles'),
      },
      pointers: true,
      regions: {
        weights: region('u8', ['chunkRows', 'NR', 'weightBytes'], 'unpacked, by steps; or floats'),
        scales: region('f32', ['segmentCount', 'NR'], ''),
        sums: region('f32', ['segmentCount', 'NR'], 'Σ q down a column'),
        rows: region('f32', ['samples', 'NR'], ''),
        directions: region('f32', ['alongRank', 'NR'], 'R as floats'),
        direction: region('f32', ['NR'], 'a row that is read'),
        accumulators: region('f32', ['tiles', 'MR', 'NR'], ''),
      },
    },
    PackedTile: {
      doc:
        'A tile of activations: two neighbours along k of each row at a time, ' +
        'or four of a byte.',
      of: ['k', 'codeBytes'],
      sizes: { paddedK: roundUp('k', BLOCK_ROWS) },
      pointers: false,
      regions: { codes: region('u8', ['paddedK', 'MR', 'codeBytes'], '') },
    },
    TileOffsets: {
      doc: 'Where the accumulators of a tile start.',
      of: ['segmentCount'],
      pointers: false,
      regions: { offsets: region('i32', ['segmentCount', 'MR'], '') },
    },
    TileGroups: {
      doc: 'What is known of the groups of activations in a tile.',
      of: ['groups'],
      pointers: false,
      regions: { values: region('f32', ['groups', 'MR'], '') },
    },
    TileAlong: {
      doc: 'What goes along the directions in a tile, turned; 0 past the last token.',
      of: ['rank'],
      pointers: false,
      regions: { values: region('f32', ['rank', 'MR'], '') },
    },
    RowDigits: {
      doc: 'A row of floats as digits.',
      of: ['k'],
      pointers: false,
      regions: { digits: region('i8', ['DIGITS', 'k'], '') },
    },
  },
};
