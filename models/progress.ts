import cliProgress from 'cli-progress';

/**
 * Shows how far a piece of work is: `advance` is called after each of its parts, with how many
 * there are if that is new.
 */
export type WithBar = <T>(
  name: string,
  total: number,
  work: (advance: (total?: number) => void) => Promise<T>,
) => Promise<T>;

/** A progress bar on the console, where that is a terminal. */
export const withConsoleBar: WithBar = async (name, total, work) => {
  const bar = new cliProgress.SingleBar(
    { format: '{name} [{bar}] {value}/{total} {eta_formatted}', clearOnComplete: true },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { name: name.padEnd(40) });
  try {
    return await work((all) => {
      if (all !== undefined) bar.setTotal(all);
      bar.increment();
    });
  } finally {
    bar.stop();
  }
};
