// So many at once, the others in order.

/** A number of places. */
export class Turns {
  #free;
  #waiting = [];

  constructor(places) {
    this.#free = places;
  }

  /** Wait for a place; a function that gives it back. Throws what the signal is aborted with. */
  async take(signal) {
    signal.throwIfAborted();
    if (this.#free) this.#free -= 1;
    else await this.#wait(signal);
    return () => this.#giveBack();
  }

  /** A place, if one is free; else nothing. */
  tryTake() {
    if (!this.#free) return null;
    this.#free -= 1;
    return () => this.#giveBack();
  }

  #wait(signal) {
    return new Promise((resolve, reject) => {
      const place = { resolve };
      this.#waiting.push(place);
      signal.addEventListener(
        "abort",
        () => {
          this.#waiting = this.#waiting.filter((one) => one !== place);
          reject(signal.reason);
        },
        { once: true },
      );
    });
  }

  #giveBack() {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#free += 1;
  }
}
