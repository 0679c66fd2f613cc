/**
 * Has tfjs take its turns in this worker by messages. It takes them by `requestAnimationFrame`,
 * which rounds every step's time up to a frame, and stops in a tab that is not looked at. To be
 * called before tfjs is loaded, which looks for it then.
 */
export function turnsByMessages(): void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  self.requestAnimationFrame = (callback) => {
    port2.postMessage(null);
    return waiting.push(() => callback(performance.now()));
  };
}
