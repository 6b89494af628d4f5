// How fast something goes, from what it did in the last seconds.

const WINDOW = 8_000; // milliseconds: long enough to be calm, short enough to notice a change

/** Takes amounts that grow; tells what they grow by in a second. */
export class Pace {
  #samples = [];

  add(amount, now = performance.now()) {
    this.#samples.push({ amount, now });
    while (this.#samples.length > 2 && now - this.#samples[0].now > WINDOW) this.#samples.shift();
  }

  /** Per second; 0 while nothing is known. */
  get rate() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || last.now - first.now < 500) return 0;
    return ((last.amount - first.amount) * 1000) / (last.now - first.now);
  }
}
