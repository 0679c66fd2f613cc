/**
 * Runs what Ctrl-C stops: then it says so, and the process ends with code 130.
 *
 * @param told What there is to say where it was stopped.
 */
export async function interruptible(
  run: (signal: AbortSignal) => Promise<void>,
  told: string,
): Promise<void> {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  try {
    await run(abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    console.error(told);
    process.exitCode = 130;
  }
}
