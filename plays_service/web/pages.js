// Rows of a result that is too long to have all of them here.

import { getJsonPatiently } from "./api.js";
import { clipped } from "./format.js";

const PAGE = 100; // rows
const MOST = 60; // pages that are kept

/** The rows that `address` (with its query) gives, by their place; fetched by page. */
export class Pages {
  #address;
  #onRows;
  #onError;
  #pages = new Map(); // in order of use: rows, and what aborts the request for more

  constructor(address, onRows, onError) {
    this.#address = address;
    this.#onRows = onRows;
    this.#onError = onError;
  }

  /** The row at a place, if it is here. */
  at(index) {
    return this.#pages.get(Math.floor(index / PAGE))?.rows[index % PAGE];
  }

  /** See to it that the rows from `first` to `last` come; requests for others are given up. */
  want(first, last) {
    const wanted = new Set();
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1)
      wanted.add(page);
    for (const number of this.#pages.keys()) if (!wanted.has(number)) this.#giveUp(number);
    for (const number of wanted) this.#use(number);
  }

  close() {
    for (const number of this.#pages.keys()) this.#giveUp(number);
  }

  /** What is here in whole stays. */
  #giveUp(number) {
    const { request } = this.#pages.get(number);
    if (!request) return;
    request.abort();
    this.#pages.delete(number);
  }

  #use(number) {
    const page = this.#pages.get(number);
    if (!page) this.#fetch(number);
    else if (!page.request) {
      this.#pages.delete(number);
      this.#pages.set(number, page);
    }
  }

  async #fetch(number) {
    const page = { rows: [], request: new AbortController() };
    this.#pages.set(number, page);
    if (this.#pages.size > MOST) this.#pages.delete(this.#pages.keys().next().value);
    try {
      while (page.request) this.#onRows(await this.#extend(page, number * PAGE));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#pages.delete(number);
      this.#onError(error);
    }
  }

  /** Where songs are long, the service sends fewer rows than it is asked for. */
  async #extend(page, start) {
    const { rows, request } = page;
    const query = new URLSearchParams({ offset: start + rows.length, limit: PAGE - rows.length });
    const answer = await getJsonPatiently(`${this.#address}&${query}`, request.signal);
    const shown = answer.rows.map((row) => ({ ...row, song: clipped(row.song) }));
    rows.push(...structuredClone(shown)); // a part of a string may keep all of it in memory
    const isLast = rows.length >= Math.min(PAGE, answer.total - start);
    if (isLast || !answer.rows.length) page.request = null;
    return answer.total;
  }
}
