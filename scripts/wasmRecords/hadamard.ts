import { assemblyOnly, choose, type Description, region, shared } from './describe.js';

/** Entries of a dense factor this far apart are in different vectors (elements). */
const VECTOR = 4;

/** Four vectors of columns share one look-up (bytes). */
const PANEL_BYTES = 64;

/** A Hadamard transform's plan, and where a dense factor is worked on. */
export const hadamard: Description = {
  constants: {
    VECTOR: shared(VECTOR, 'Elements of a vector: factors of a smaller stride gather columns.'),
    PANEL_BYTES: assemblyOnly(PANEL_BYTES, 'Four vectors of columns share one look-up.', 'usize'),
    SUMS_BYTES: assemblyOnly(
      2 * PANEL_BYTES,
      'Signed sums per input: four inputs have 8 up to their sign, a panel each.',
      'usize',
    ),
  },
  enumerations: {
    FACTOR_KIND: {
      values: ['table', 'paley12', 'paley12Transposed'],
      doc: 'Dense factors: by a table of signs, or order 12 by its own algorithm.',
    },
  },
  records: {
    HadamardPlan: {
      doc: 'HadamardFactor[denseFactors] and their tables come behind it.',
      written: 'table',
      fields: {
        scale: ['f32', '1/√blockSize'],
        sylvesterOrder: ['u32', '1 for none; the last factor, along neighbouring elements'],
        denseFactors: ['i32', ''],
      },
    },
    HadamardFactor: {
      doc: 'A dense factor.',
      written: 'table',
      fields: {
        kind: ['i32', 'FACTOR_KIND'],
        order: ['u32', ''],
        stride: ['u32', 'elements between two entries that it mixes'],
        table: ['u32', "bytes from the plan's start"],
      },
    },
  },
  layouts: {
    DenseTemp: {
      doc: 'Scratch of a factor that goes by a table.',
      of: ['order', 'stride'],
      sizes: {
        gathered: choose({
          field: 'stride',
          test: { below: VECTOR },
          chosen: 'order',
          otherwise: 0,
        }),
      },
      pointers: false,
      regions: {
        sums: region('u8', ['order', 'SUMS_BYTES'], ''),
        columns: region('u8', ['gathered', 'PANEL_BYTES'], 'a panel, where columns are narrow'),
      },
    },
  },
};
