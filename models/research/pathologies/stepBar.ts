import cliProgress from 'cli-progress';

/** A progress bar that starts anew with every step. */
export class StepBar {
  private readonly bar = new cliProgress.SingleBar({ format: '{step} [{bar}] {value}/{total}' });
  private step: string | null = null;

  update(step: string, done: number, total: number): void {
    if (step !== this.step) {
      this.bar.stop();
      this.bar.start(total, done, { step: step.padEnd(10) });
      this.step = step;
    }
    this.bar.update(done);
  }

  stop(): void {
    this.bar.stop();
  }
}
