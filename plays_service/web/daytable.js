// Plays per day as a table, for those who would rather read it.

import { element } from "./dom.js";
import { count } from "./format.js";

/** A table that is folded away, and built when it is opened. */
export function dayTable(points, unit) {
  const rows = element("tbody");
  const scroll = element(
    "div",
    { className: "scroll", tabIndex: 0, role: "region", "aria-label": `Plays per ${unit}` },
    element(
      "table",
      { className: "plain" },
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...["Date", "Plays"].map((text) => element("th", { scope: "col" }, text)),
        ),
      ),
      rows,
    ),
  );
  const details = element("details", {}, element("summary", {}, "As a table"), scroll);
  details.addEventListener(
    "toggle",
    () => {
      rows.replaceChildren(
        ...points.map(({ date, plays }) =>
          element("tr", {}, element("th", { scope: "row" }, date), element("td", {}, count(plays))),
        ),
      );
    },
    { once: true },
  );
  return details;
}
