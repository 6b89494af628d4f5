// The table of all totals. Only the rows that can be seen are in the page.

import { announce } from "./announce.js";
import { debounced, element } from "./dom.js";
import { Filters } from "./filters.js";
import { count, things } from "./format.js";
import { Headers } from "./headers.js";
import { Pages } from "./pages.js";
import { ROW_HEIGHT, Row } from "./row.js";
import { Scroller } from "./scroller.js";

const MOST_VISIBLE = 14; // rows
const NOTICEABLE = 400; // milliseconds after which a wait is told
const FETCHING = 60; // milliseconds that a row must stay in sight before it is fetched

/** A panel with the rows at `address`, sorted and narrowed by the service. */
export class Table {
  #address;
  #all; // rows of the result
  #total; // rows that match
  #filters;
  #headers = new Headers(() => this.#restart());
  #pages = null;
  #scroller;
  #isStale = false; // what is shown is of the question before
  #rows = [];
  #status = element("p", { className: "quiet table-status" });
  #space = element("div", { className: "space" });
  #window = element("div", { className: "window", role: "rowgroup" });
  #table;
  #resizing;
  #waiting = 0; // the timer of a word about it
  #fetch = debounced(() => this.#want(), FETCHING);

  constructor(address, name, summary) {
    this.#address = address;
    this.#all = this.#total = summary.rows;
    this.#filters = new Filters(summary, () => this.#restart());
    this.#space.append(this.#window);
    this.#table = element(
      "div",
      {
        className: "table",
        role: "table",
        tabIndex: 0,
        "aria-label": `Totals of ${name}`,
        "aria-colcount": 3,
      },
      element("div", { className: "head", role: "rowgroup" }, this.#headers.element),
      this.#space,
    );
    this.#scroller = new Scroller(this.#table, ROW_HEIGHT, () => this.#moved());
    this.element = element(
      "section",
      { className: "panel" },
      element("h4", {}, "Totals"),
      this.#filters.element,
      this.#table,
      this.#status,
    );
    this.#resizing = new ResizeObserver(() => this.#measure());
    this.#resizing.observe(this.#table);
    this.#restart();
  }

  close() {
    this.#resizing.disconnect();
    this.#pages.close();
    clearTimeout(this.#waiting);
  }

  /** Narrow to the days from `first` to `last`. */
  showDates(first, last) {
    this.#filters.set({ first, last });
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Narrow to the songs with this name in theirs. */
  showSong(song) {
    this.#filters.set({ song });
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Ask anew; what is there stays until the answer comes. */
  #restart() {
    const query = new URLSearchParams({ ...this.#headers.query, ...this.#filters.query });
    this.#pages?.close();
    const pages = new Pages(
      `${this.#address}?${query}`,
      (total) => pages === this.#pages && this.#arrived(total),
      (error) => pages === this.#pages && this.#fail(error),
    );
    this.#pages = pages;
    this.#isStale = true;
    this.#table.setAttribute("aria-busy", "true");
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#say("Getting the rows…"), NOTICEABLE);
    pages.want(0, MOST_VISIBLE);
  }

  #arrived(total) {
    if (this.#isStale) {
      this.#isStale = false;
      this.#rest();
      this.#total = total;
      this.#measure();
      this.#scroller.goTo(0);
      announce(`${this.#found()}, ${this.#headers.description}`);
    } else this.#draw();
  }

  #found() {
    if (this.#total === this.#all) return things(this.#all, "row");
    return `${count(this.#total)} of ${things(this.#all, "row")}`;
  }

  /** Nothing is waited for any more. */
  #rest() {
    clearTimeout(this.#waiting);
    this.#table.setAttribute("aria-busy", "false");
  }

  #fail(error) {
    this.#rest();
    this.#say(error.message);
  }

  #say(text) {
    this.#status.textContent = text;
    announce(text);
  }

  /** Fit the height to the rows, and the rows in the page to the height. */
  #measure() {
    const visible = Math.min(Math.max(this.#total, 1), MOST_VISIBLE);
    this.#window.style.height = `${visible * ROW_HEIGHT}px`;
    const frame = this.#table.offsetHeight - this.#table.clientHeight;
    this.#table.style.height = `${(visible + 1) * ROW_HEIGHT + frame}px`; // with the head
    this.#scroller.measure(this.#total, visible);
    this.#space.style.height = `${Math.max(this.#scroller.height, ROW_HEIGHT)}px`;
    this.#table.setAttribute("aria-rowcount", this.#total + 1);
    this.#makeRows(Math.min(visible + 1, this.#total));
    this.#draw();
  }

  #makeRows(number) {
    while (this.#rows.length < number) this.#rows.push(new Row());
    this.#rows.length = number;
    this.#window.replaceChildren(...this.#rows.map((row) => row.element));
  }

  #moved() {
    this.#draw();
    this.#fetch();
  }

  /** Rows that are about to come into sight are wanted, too. */
  #want() {
    const first = Math.floor(this.#scroller.position);
    if (!this.#isStale)
      this.#pages.want(
        Math.max(first - MOST_VISIBLE, 0),
        Math.min(first + 2 * MOST_VISIBLE, this.#total - 1),
      );
  }

  #draw() {
    if (this.#isStale) return;
    const { position } = this.#scroller;
    const first = Math.floor(position);
    for (const [place, row] of this.#rows.entries()) {
      const index = first + place;
      const fields = index < this.#total ? this.#pages.at(index) : null;
      row.show(index, fields, (index - position) * ROW_HEIGHT);
    }
    const last = Math.min(first + MOST_VISIBLE, this.#total);
    const isPart = this.#total > MOST_VISIBLE;
    const part = isPart ? ` · ${count(first + 1)} to ${count(last)} shown` : "";
    this.#status.textContent = this.#total ? `${this.#found()}${part}` : "No row matches.";
  }
}
