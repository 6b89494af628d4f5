// Rows of a result that is too long to have all of them here.

import { getJsonPatiently } from "./api.js";

const PAGE = 100; // rows
const MOST = 60; // pages that are kept

/** The rows that `address` (with its query) gives, by their place; fetched by page. */
export class Pages {
  #address;
  #onRows;
  #onError;
  #pages = new Map(); // in order of use; rows, or what aborts the request for them

  constructor(address, onRows, onError) {
    this.#address = address;
    this.#onRows = onRows;
    this.#onError = onError;
  }

  /** The row at a place, if it is here. */
  at(index) {
    const page = this.#pages.get(Math.floor(index / PAGE));
    return Array.isArray(page) ? page[index % PAGE] : undefined;
  }

  /** See to it that the rows from `first` to `last` come; requests for others are given up. */
  want(first, last) {
    const wanted = new Set();
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1)
      wanted.add(page);
    for (const [number, page] of this.#pages) {
      if (!Array.isArray(page) && !wanted.has(number)) this.#giveUp(number, page);
    }
    for (const number of wanted) this.#use(number);
  }

  close() {
    for (const [number, page] of this.#pages) if (!Array.isArray(page)) this.#giveUp(number, page);
  }

  #giveUp(number, request) {
    request.abort();
    this.#pages.delete(number);
  }

  #use(number) {
    const page = this.#pages.get(number);
    if (!page) this.#fetch(number);
    else if (Array.isArray(page)) {
      this.#pages.delete(number);
      this.#pages.set(number, page);
    }
  }

  async #fetch(number) {
    const request = new AbortController();
    this.#pages.set(number, request);
    try {
      const query = new URLSearchParams({ offset: number * PAGE, limit: PAGE });
      const { total, rows } = await getJsonPatiently(`${this.#address}&${query}`, request.signal);
      this.#pages.delete(number);
      this.#pages.set(number, rows);
      if (this.#pages.size > MOST) this.#pages.delete(this.#pages.keys().next().value);
      this.#onRows(total);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#pages.delete(number);
      this.#onError(error);
    }
  }
}
