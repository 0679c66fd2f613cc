// HadaNormQuantize beside directions: as quantize.ts, four rows at a time, which share what is
// loaded of the directions. Not in the relaxed module: with fused multiply-adds codes would not be
// those of tfjs's products, which simulate mode has.
import { projectRows, storeAlong, takeOut } from './directions';
import { hadamardRow } from './hadamard';
import { quantizeRow } from './quantize';
import {
  ALONG_SCRATCH_ROWS, alongScratchSums, alongScratchTemp, MR, QuantizedRows, Quantizer,
} from './records';
import { centerRow, copyRow } from './rows';

/** Tokens begin … end. Scratch: an AlongScratch. */
export function hadaNormQuantizeAlong(at: usize, scratch: usize, begin: i32, end: i32): void {
  const rows = changetype<QuantizedRows>(at);
  const d = rows.d;
  const q = changetype<Quantizer>(scratch);
  const stride = <usize>((d + 15) & ~15) << 2;
  const own = scratch + ALONG_SCRATCH_ROWS;
  const sums = alongScratchSums(scratch, d);
  const temp = alongScratchTemp(scratch, d, rows.paddedRank);
  const groups = (d + rows.groupSize - 1) / rows.groupSize;
  const copies = rows.means !== 0 || rows.scale !== 0 || rows.plan !== 0 || rows.taken !== 0;
  for (let token = begin; token < end; token += MR) {
    const count = min(MR, end - token);
    const given = rows.x + (<usize>(token * d) << 2);
    if (copies) {
      for (let r = 0; r < count; r++) {
        transformRow(rows, token + r, own + <usize>r * stride, temp);
      }
    }
    const from = copies ? own : given;
    const step = copies ? stride : <usize>d << 2;
    projectRows(from, step, count, rows.directions, d, rows.paddedRank, sums);
    for (let r = 0; r < count; r++) storeRow(rows, token + r, sums + rankBytes(rows, r));
    if (rows.taken !== 0) {
      takeOut(own, stride, d, rows.taken, rows.rank, sums, rows.paddedRank);
    }
    for (let r = 0; r < count; r++) quantizeRow(rows, q, from + <usize>r * step, token + r, groups);
  }
}

// @ts-ignore: decorator
@inline
function rankBytes(rows: QuantizedRows, r: i32): usize {
  return <usize>(r * rows.paddedRank) << 2;
}

/** A token centered, scaled and rotated, to scratch. */
function transformRow(rows: QuantizedRows, token: i32, to: usize, temp: usize): void {
  const d = rows.d;
  let from = rows.x + (<usize>(token * d) << 2);
  if (rows.means !== 0 || rows.scale !== 0) {
    const sample = <usize>(token / rows.tokens * rows.meanStride) << 2;
    centerRow(from, to, rows.means === 0 ? 0 : rows.means + sample, rows.scale, d);
    from = to;
  }
  if (rows.plan !== 0) hadamardRow(from, to, temp, d, rows.plan);
  else if (from !== to) copyRow(from, to, <usize>d << 2);
}

/** What goes along, with that of the sample's mean. */
function storeRow(rows: QuantizedRows, token: i32, sums: usize): void {
  const rank = rows.rank;
  let more: usize = 0;
  if (rows.meanAlong !== 0) {
    more = rows.meanAlong + (<usize>(token / rows.tokens * rank) << 2);
  }
  storeAlong(sums, more, rows.along + (<usize>(token * rank) << 2), rank);
}
