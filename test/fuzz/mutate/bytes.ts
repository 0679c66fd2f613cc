import type { Random } from '../base/random.js';

/** What comes in the place of four bytes: NaN, infinity, −0, the largest numbers, the smallest. */
const WORDS = [0x7fc00000, 0x7f800000, 0x80000000, 0x7f7fffff, 0xffffffff, 1, 0x00800000];

/** Bytes with a change in one place: flipped, overwritten, longer, shorter, moved. */
export function mutateBytes(
  random: Random,
  bytes: Uint8Array,
): { bytes: Uint8Array<ArrayBuffer>; text: string } {
  const out = Uint8Array.from(bytes);
  const at = random.below(out.length + 1);
  const length = Math.min(out.length - at, random.pick([1, 4, 8, 64, 1024]));
  switch (random.below(7)) {
    case 0:
      return { bytes: out.slice(0, at), text: `cut off at ${at}` };
    case 1: {
      const more = Uint8Array.from({ length: random.pick([1, 3, 8, 64]) }, () => random.below(256));
      const parts = [...out.subarray(0, at), ...more, ...out.subarray(at)];
      return { bytes: Uint8Array.from(parts), text: `${more.length} bytes more at ${at}` };
    }
    case 2:
      out.fill(random.pick([0, 0xff, 0x80, 0x20]), at, at + length);
      return { bytes: out, text: `${length} bytes filled at ${at}` };
    case 3: {
      out.copyWithin(at, random.below(out.length), out.length);
      return { bytes: out, text: `other bytes from ${at} on` };
    }
    case 4: {
      const word = 4 * Math.floor(at / 4);
      const fits = word + 4 <= out.length;
      if (fits) new DataView(out.buffer).setUint32(word, random.pick(WORDS), true);
      return { bytes: out, text: `another word at ${word}` };
    }
    default: {
      const bit = random.below(8);
      if (at < out.length) out[at] = out[at]! ^ (1 << bit);
      return { bytes: out, text: `bit ${bit} of byte ${at}` };
    }
  }
}
