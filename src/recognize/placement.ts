import type { Linear } from './linears.js';
import type { Role } from './role.js';

/** What a linear does, and by what that was seen. */
export interface Placement {
  readonly role: Role;
  readonly reason: string;
}

/** The linears that were placed so far. */
export type Placements = Map<Linear, Placement>;
