import fc from 'fast-check';
import type { Histogram, Sqnr } from '../../../src/quantize/measured.js';
import type { Method } from '../../../src/quantize/methods.js';
import { ROLES } from '../../../src/recognize/role.js';
import { METHODS } from '../../../src/report/format.js';
import type { LinearReport, QuantizationReport } from '../../../src/report/report.js';

const decibels = fc.oneof(fc.double(), fc.constant(Number.POSITIVE_INFINITY));
const bytes = fc.record({ before: fc.nat(), after: fc.nat() });
const bits = fc.option(fc.integer({ min: 2, max: 16 }));

const sqnr: fc.Arbitrary<Sqnr> = fc.record({
  activations: decibels,
  weights: decibels,
  output: decibels,
});

const compared: fc.Arbitrary<Partial<Record<Method, Sqnr>>> = fc
  .array(fc.tuple(fc.constantFrom(...METHODS), sqnr))
  .map((entries) => Object.fromEntries(entries));

const histogram: fc.Arbitrary<Histogram> = fc
  .array(fc.tuple(fc.double(), fc.nat()))
  .map((bins) => ({ edges: [0, ...bins.map(([edge]) => edge)], counts: bins.map(([, n]) => n) }));

const parts = {
  center: fc.constantFrom('none', 'static', 'dynamic'),
  scale: fc.constantFrom('balanced', 'std', 'smoothquant', 'none'),
  rotate: fc.boolean(),
} as const;

const way = fc.record({ method: fc.constantFrom(...METHODS), ...parts, output: decibels });

const always = {
  name: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('Infinity', '<b>', '-0')),
  role: fc.constantFrom(...ROLES),
  shape: fc.tuple(fc.nat(), fc.nat()),
  treatment: fc.constantFrom('transformed', 'weightOnly', 'untouched'),
  method: fc.option(fc.constantFrom(...METHODS)),
  weightBits: bits,
  activationBits: bits,
  rounding: fc.option(fc.constantFrom('nearest', 'gptq')),
  execution: fc.constantFrom('integer', 'simulated', 'float'),
  reason: fc.string(),
  bytes,
  sqnr: fc.option(sqnr),
  compared,
  at8Bits: fc.option(fc.record({ output: decibels, bytes: fc.nat() })),
  byTimestep: fc.array(fc.record({ timestep: fc.nat(), output: decibels }), { maxLength: 4 }),
  channels: fc.option(fc.record({ before: histogram, after: histogram })),
} as const;

const linear: fc.Arbitrary<LinearReport> = fc.record(
  { ...always, parts: fc.record(parts), ways: fc.array(way, { maxLength: 7 }) },
  { requiredKeys: Object.keys(always) as (keyof typeof always)[] },
);

/** Any report that the types allow, however odd. */
export const anyReport: fc.Arbitrary<QuantizationReport> = fc.record(
  {
    version: fc.constant(1),
    method: fc.constantFrom(...METHODS, 'auto'),
    linears: fc.array(linear, { maxLength: 6 }),
    totals: fc.record({
      sqnr: fc.option(sqnr),
      compared,
      linearBytes: bytes,
      modelBytes: bytes,
    }),
  },
  { noNullPrototype: true },
);
