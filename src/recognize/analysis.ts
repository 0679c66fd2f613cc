import type { Graph } from '../graph/ir.js';
import { ShapedView } from '../shapes/view.js';
import { DataFlow } from './dataFlow.js';
import { findLinears, type Linear } from './linears.js';
import { type OtherProduct, otherProducts } from './otherProducts.js';
import type { Role } from './role.js';
import { findRoles } from './roles.js';
import { type Site, siteKey, siteOf } from './sites.js';

/** A linear, where its transform belongs, and what it does in the model. */
export interface PlacedLinear {
  readonly linear: Linear;
  readonly site: Site;
  /** The site's name: linears with the same one share a transform. */
  readonly key: string;
  /** Whether the linear reads the site through a reshape to rows. */
  readonly flattened: boolean;
  readonly role: Role;
  /** By what the role was seen. */
  readonly reason: string;
}

/** A graph with its linears found and placed. */
export interface Analysis {
  readonly view: ShapedView;
  readonly linears: readonly PlacedLinear[];
  /** Products with a constant that are no linears. */
  readonly others: readonly OtherProduct[];
}

/** Finds the linears of a graph, what each is for, and which share an input. */
export function analyze(graph: Graph): Analysis {
  const view = new ShapedView(graph);
  const linears = findLinears(view);
  const sites = new Map(linears.list.map((linear) => [linear, siteOf(view, linears, linear)]));
  const flow = new DataFlow(view, linears);
  const roles = findRoles(flow, (linear) => sites.get(linear)!.site.tokens === 'none');
  const placed = linears.list.map((linear): PlacedLinear => {
    const { site, flattened } = sites.get(linear)!;
    return { linear, site, key: siteKey(site), flattened, ...roles.get(linear)! };
  });
  return { view, linears: placed, others: otherProducts(view, linears) };
}

/** What there is in a model in which nothing can be quantized, for an error. */
export function whatIsThere({ linears, others }: Analysis): string {
  const found = linears.map(({ reason }) => reason);
  const placed =
    found.length === 0
      ? 'no product with a constant matrix'
      : `${found.length} of which none has a role (${[...new Set(found)].join('; ')})`;
  if (others.length === 0) return placed;
  const [{ name, reason }] = others as [OtherProduct, ...OtherProduct[]];
  const what = others.length === 1 ? 'one product is' : `${others.length} products are`;
  return `${placed}; ${what} no linear, such as ${JSON.stringify(name)}: ${reason}`;
}
