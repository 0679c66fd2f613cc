import type { Column, Figures, Message, Stage } from '../shared/protocol.js';
import type { Settings } from '../shared/settings.js';
import type { ModelStore } from './modelStore.js';

/** What the parts of a run work with. */
export interface RunContext {
  readonly run: number;
  readonly settings: Settings;
  /** Of a packed model, where they were picked. */
  readonly files: readonly File[];
  /** The page's address. */
  readonly base: string;
  readonly signal: AbortSignal;
  readonly store: ModelStore;
  readonly tell: (message: Message) => void;
}

/** Tells how far a run is: the stage, and the share of it that is done. */
export function tellStage({ run, tell }: RunContext, stage: Stage, share: number): void {
  tell({ kind: 'stage', run, stage, share });
}

/** Tells what is known of a column. */
export function tellFigures(
  { run, tell }: RunContext,
  column: Column,
  figures: Partial<Figures>,
): void {
  tell({ kind: 'figures', run, column, figures });
}
