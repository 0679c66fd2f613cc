import type { PlacedLinear } from '../recognize/analysis.js';
import type { TokenMask } from '../recognize/tokenMask.js';
import type { CalibrateSettings, Target } from './settings.js';

/** Every tensor that a linear with a role reads; a Hessian only where a transform is likely. */
export function sitesOf(
  linears: readonly PlacedLinear[],
  hessian: boolean,
  masks: ReadonlyMap<string, TokenMask>,
): Target[] {
  const targets = new Map<string, Target>();
  for (const { key, site, role } of linears) {
    if (role === 'other') continue;
    const wanted = hessian && /ttention|mlp/.test(role);
    const before = targets.get(key)?.hessian ?? false;
    targets.set(key, { key, site, hessian: wanted || before, mask: masks.get(key) ?? null });
  }
  return [...targets.values()];
}

/** The masks of sites, by their keys; none where all tokens count. */
export function masksOf(targets: readonly Target[]): ReadonlyMap<string, TokenMask> {
  return new Map(targets.flatMap(({ key, mask }) => (mask === null ? [] : [[key, mask]])));
}

/** The bytes that statistics take at most. */
export function memoryOf(targets: readonly Target[], settings: CalibrateSettings): number {
  const { means, samples, tokensPerSample, timestep } = settings;
  const times = timestep === null ? 0 : (timestep.bins?.count ?? 64);
  const perChannel = 32 * (1 + times) + 4 * (means + samples * tokensPerSample);
  return targets.reduce((sum, { site: { d }, hessian }) => {
    return sum + d * perChannel + (hessian ? 4 * d * (d + 1) : 0);
  }, 0);
}
