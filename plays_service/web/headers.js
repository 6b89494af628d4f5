// The head of a table, which sorts it.

import { button, element } from "./dom.js";

const COLUMNS = [
  { key: "song", text: "Song", first: "asc" },
  { key: "date", text: "Date", first: "asc" },
  { key: "plays", text: "Plays", first: "desc" }, // people look for the largest
];
const NAMES = { asc: "ascending", desc: "descending" };
const OTHER = { asc: "desc", desc: "asc" };

/**
 * A row of buttons; each sorts one way, then the other, then not at all: then rows are as the file
 * had them.
 */
export class Headers {
  #cells = new Map();
  #sorted = null;
  #order = null;

  constructor(onSort) {
    for (const column of COLUMNS) {
      const sort = button(
        column.text,
        () => {
          this.#turn(column);
          onSort();
        },
        { className: "sort" },
      );
      this.#cells.set(
        column.key,
        element("div", { role: "columnheader", "aria-sort": "none" }, sort),
      );
    }
    this.element = element(
      "div",
      { className: "row", role: "row", "aria-rowindex": 1 },
      ...this.#cells.values(),
    );
  }

  get query() {
    return this.#sorted ? { sort: this.#sorted, order: this.#order } : { sort: "appearance" };
  }

  /** In words, for who cannot see the arrow. */
  get description() {
    return this.#sorted ? `by ${this.#sorted}, ${NAMES[this.#order]}` : "in the order of the file";
  }

  #turn({ key, first }) {
    if (this.#sorted !== key) [this.#sorted, this.#order] = [key, first];
    else if (this.#order === first) this.#order = OTHER[first];
    else this.#sorted = this.#order = null;
    for (const [name, cell] of this.#cells) {
      cell.setAttribute("aria-sort", name === this.#sorted ? NAMES[this.#order] : "none");
    }
  }
}
