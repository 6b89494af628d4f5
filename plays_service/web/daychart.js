// Plays per day, as columns.

import { DAY, layOut, nextPeriod } from "./columns.js";
import { dayTable } from "./daytable.js";
import { drawing, element } from "./dom.js";
import { count, short, things } from "./format.js";
import { dayTicks, numberTicks } from "./ticks.js";

const HEIGHT = 260; // pixels, as all below
const MARGIN = { top: 12, right: 4, bottom: 26, left: 48 };
const ONE_LABEL = 76;

/**
 * A panel with the chart, the value under the pointer or, by the arrow keys, of any day, and the
 * same as a table. `onDates(first, last)` is told the days that are chosen.
 */
export class DayChart {
  #points;
  #unit;
  #onDates;
  #columns = []; // { left, width, top, height } of each point
  #current = -1;
  #plot = drawing("svg", { "aria-hidden": "true", height: HEIGHT });
  #mark = drawing("rect", { class: "mark" });
  #tip = element("p", { className: "tip", "aria-hidden": "true", hidden: true });
  #area;
  #resizing;

  constructor({ per_day, per_day_unit }, onDates) {
    this.#points = per_day.map(({ date, plays }) => ({ date, plays, time: Date.parse(date) }));
    this.#unit = per_day_unit;
    this.#onDates = onDates;
    this.#area = this.#buildArea();
    this.element = element(
      "section",
      { className: "panel days" },
      element("h4", {}, `Plays per ${per_day_unit}`),
      this.#area,
      dayTable(this.#points, per_day_unit),
    );
    this.#resizing = new ResizeObserver(() => this.#draw());
    this.#resizing.observe(this.#area);
  }

  close() {
    this.#resizing.disconnect();
  }

  /** To screen readers it is a slider: the arrow keys go from day to day, and each is read out. */
  #buildArea() {
    const area = element(
      "div",
      {
        className: "plot",
        role: "slider",
        tabIndex: 0,
        "aria-label": `Plays per ${this.#unit}; Enter shows the rows of one`,
        "aria-valuemin": 0,
        "aria-valuemax": this.#points.length - 1,
      },
      this.#plot,
      this.#tip,
    );
    area.addEventListener("pointermove", (event) => this.#point(this.#nearest(event)));
    area.addEventListener("pointerleave", () => this.#point(-1));
    area.addEventListener("click", (event) => this.#choose(this.#nearest(event)));
    area.addEventListener(
      "focus",
      () => area.matches(":focus-visible") && this.#point(Math.max(this.#current, 0)),
    );
    area.addEventListener("blur", () => this.#point(-1));
    area.addEventListener("keydown", (event) => this.#onKey(event));
    this.#describe(area, 0);
    return area;
  }

  #describe(area, index) {
    const { date, plays } = this.#points[index];
    area.setAttribute("aria-valuenow", index);
    area.setAttribute("aria-valuetext", `${date}: ${things(plays, "play")}`);
  }

  #onKey(event) {
    const last = this.#points.length - 1;
    const page = Math.max(1, Math.round(last / 10));
    const moves = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: page,
      PageDown: -page,
      Home: -last,
      End: last,
    };
    if (event.key === "Enter" || event.key === " ") this.#choose(this.#current);
    else if (event.key === "Escape") this.#point(-1);
    else if (event.key in moves)
      this.#point(Math.min(Math.max(this.#current + moves[event.key], 0), last));
    else return;
    event.preventDefault();
  }

  #choose(index) {
    if (index < 0) return;
    const { time } = this.#points[index];
    const last = this.#unit === "day" ? time : nextPeriod(time, this.#unit) - DAY;
    this.#onDates(isoDay(time), isoDay(last));
  }

  #nearest(event) {
    const x = event.clientX - this.#area.getBoundingClientRect().left;
    const distance = ({ left, width }) => Math.abs(left + width / 2 - x);
    let best = 0;
    for (const [index, column] of this.#columns.entries()) {
      if (distance(column) < distance(this.#columns[best])) best = index;
    }
    return best;
  }

  /** Show the value of a point; none where it is below 0. */
  #point(index) {
    this.#current = index;
    this.#tip.hidden = index < 0;
    this.#mark.toggleAttribute("hidden", index < 0);
    if (index < 0) return;
    const { left, width, top, height } = this.#columns[index];
    const { date, plays } = this.#points[index];
    for (const [name, value] of Object.entries({ x: left, width, y: top, height }))
      this.#mark.setAttribute(name, value);
    this.#describe(this.#area, index);
    this.#tip.replaceChildren(element("b", {}, count(plays)), ` ${date}`);
    const room = this.#area.clientWidth - this.#tip.offsetWidth;
    const centred = left + width / 2 - this.#tip.offsetWidth / 2;
    this.#tip.style.left = `${Math.min(Math.max(centred, 0), room)}px`;
  }

  #draw() {
    const width = this.#area.clientWidth;
    const values = this.#points.map(({ plays }) => Number(plays));
    const rows = numberTicks(Math.min(0, ...values), Math.max(0, ...values), 4);
    const [low, high] = [rows[0], rows.at(-1)];
    const y = (value) =>
      MARGIN.top + ((high - value) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    this.#columns = layOut(
      this.#points,
      this.#unit,
      values,
      { left: MARGIN.left, right: width - MARGIN.right },
      y,
    );
    this.#plot.setAttribute("width", width);
    this.#plot.replaceChildren(
      ...rows.map((value) => gridLine(value, y(value), width)),
      ...dayLabels(this.#points, this.#columns, width),
      drawing("path", { class: "columns", d: this.#columns.map(outline).join("") }),
      this.#mark,
    );
    this.#point(this.#current);
  }
}

const isoDay = (time) => new Date(time).toISOString().slice(0, 10);

const outline = ({ left, width, top, height }) => `M${left} ${top}h${width}v${height}h${-width}z`;

function gridLine(value, y, width) {
  const line = drawing("line", {
    class: value === 0 ? "base" : "grid",
    x1: MARGIN.left,
    x2: width - MARGIN.right,
    y1: y,
    y2: y,
  });
  return drawing(
    "g",
    {},
    line,
    drawing("text", { class: "amount", x: MARGIN.left - 8, y: y + 4 }, short(value)),
  );
}

function dayLabels(points, columns, width) {
  const [start, end] = [points[0].time, points.at(-1).time];
  const centre = ({ left, width: wide }) => left + wide / 2;
  const [first, last] = [centre(columns[0]), centre(columns.at(-1))];
  const x = (time) =>
    end === start ? first : first + ((time - start) / (end - start)) * (last - first);
  const most = Math.max(1, Math.floor((width - MARGIN.left) / ONE_LABEL));
  const half = ONE_LABEL / 2;
  return dayTicks(start, end, most).map(({ time, text }) =>
    drawing(
      "text",
      { class: "day", x: Math.min(Math.max(x(time), half), width - half), y: HEIGHT - 6 },
      text,
    ),
  );
}
