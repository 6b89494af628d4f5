// The totals of a task: counts, charts, and the table of all rows.

import { getJsonPatiently } from "./api.js";
import { DayChart } from "./daychart.js";
import { element } from "./dom.js";
import { count } from "./format.js";
import { topSongs } from "./songs.js";
import { Table } from "./table.js";

/** Shows the totals; asks the service for what it shows. `close()` ends it. */
export class Result {
  element = element("div", { className: "result" });
  #closing = new AbortController();
  #chart = null;
  #table = null;

  constructor(job) {
    this.#show(job);
  }

  close() {
    this.#closing.abort();
    this.#chart?.close();
    this.#table?.close();
  }

  async #show({ id, name }) {
    this.element.replaceChildren(element("p", { className: "quiet" }, "Getting the totals…"));
    try {
      const summary = await getJsonPatiently(`tasks/${id}/summary`, this.#closing.signal);
      if (summary.rows === 0)
        this.#say("The file has a header and no records, so there are no totals.");
      else this.#fill(id, name, summary);
    } catch (error) {
      if (error.name !== "AbortError") this.#say(error.message);
    }
  }

  #say(text) {
    this.element.replaceChildren(element("p", { className: "quiet" }, text));
  }

  #fill(id, name, summary) {
    this.#table = new Table(`tasks/${id}/rows`, name, summary);
    this.#chart = new DayChart(summary, (first, last) => this.#table.showDates(first, last));
    const songs = topSongs(summary.top_songs, (song) => this.#table.showSong(song));
    this.element.replaceChildren(
      figuresOf(summary),
      element("div", { className: "charts" }, this.#chart.element, songs),
      this.#table.element,
    );
  }
}

function figuresOf({ plays, songs, dates, rows, first_date, last_date }) {
  const whole = (text) => element("span", { className: "whole" }, text);
  const range = first_date === last_date ? [] : [" to ", whole(last_date)];
  const figures = [
    ["Plays", count(plays), []],
    ["Songs", count(songs), []],
    ["Days", count(dates), [whole(first_date), ...range]],
    ["Totals", count(rows), ["one per song and day"]],
  ];
  return element(
    "dl",
    { className: "figures" },
    ...figures.map(([term, number, more]) =>
      element(
        "div",
        {},
        element("dt", {}, term),
        element("dd", { className: "figure" }, number),
        element("dd", { className: "more" }, ...more),
      ),
    ),
  );
}
