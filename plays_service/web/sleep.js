// Waiting, unless it is called off.

/** Wait for `milliseconds`. Throws what the signal is aborted with. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const callOff = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", callOff);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", callOff, { once: true });
  });
}
