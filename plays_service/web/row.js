// A row of the table.

import { element } from "./dom.js";
import { clipped, count } from "./format.js";

/** Pixels, as in totals.css. */
export const ROW_HEIGHT = 36;

/** One row of the page; shows now this row of the result, now that. */
export class Row {
  #cells = ["song", "date", "plays"].map((name) =>
    element("div", { className: name, role: "cell" }),
  );
  element = element("div", { className: "row", role: "row" }, ...this.#cells);

  /** `row` undefined: it is still to come; null: there is none. */
  show(index, row, top) {
    this.element.hidden = row === null;
    this.element.style.transform = `translateY(${top}px)`;
    this.element.setAttribute("aria-rowindex", index + 2); // the head is 1
    const texts = row ? [clipped(row.song), row.date, count(row.plays)] : ["…", "", ""];
    for (const [place, text] of texts.entries()) this.#cells[place].textContent = text;
    this.#cells[0].title = texts[0];
  }
}
