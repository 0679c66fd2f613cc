/**
 * The DiceBear styles that the avatar models draw, by label; label 16 is none. Their licence is CC0
 * 1.0: models/research/training/README.md.
 */
export const AVATAR_STYLES = [
  'planets',
  'landscape',
  'critters',
  'sprouts',
  'voxel-art',
  'voxel-bot',
  'clay',
  'cutouts',
  'marbles',
  'moods',
  'pixel-art',
  'open-peeps',
  'lorelei',
  'thumbs',
  'cameo',
  'constellation',
] as const;

/** The name of a style. */
export type AvatarStyle = (typeof AVATAR_STYLES)[number];

/** The classes of Fashion-MNIST, by label. */
export const FASHION_CLASSES = [
  't-shirt',
  'trousers',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
] as const;
