// What is wrong in a file, where, and what to change.

import { element } from "./dom.js";
import { count, things } from "./format.js";

const SHOWN = 100; // the service keeps as many

const HINTS = {
  Song: "Give the record the name of its song.",
  Date: "Write a real day as year-month-day, such as 2020-01-31.",
  "Number of Plays": "Write a whole number such as 1250: no decimals, no separators, no words.",
};

/** By what the service says of records as a whole: the first that fits. */
const OTHER_HINTS = [
  [
    /header must name/,
    "Make the first line Song,Date,Number of Plays, in any order; further columns do no harm.",
  ],
  [/is empty; its first line/, "Choose the file that has the records in it."],
  [
    /fields? where the header/,
    "See whether a separator is missing or too much; a value with one in it needs quotes.",
  ],
  [/encoding/, "Open the options above, choose the file's encoding, and upload it again."],
  [/quote/, 'Close the quote, or double it ("") where it is part of the text.'],
];

/** The failure of a task, for people. */
export function failureOf(task) {
  const { error } = task;
  if (!error) return element("div", { className: "failure" }, element("p", {}, task.message));
  return element(
    "div",
    { className: "failure" },
    element("dl", { className: "facts" }, ...factsOf(error)),
    element("p", { className: "hint" }, element("b", {}, "What to change: "), hintOf(error)),
  );
}

/**
 * Whether the rest of the file may well be good: its header, or that it is empty, nobody can skip.
 */
export const canBeSkipped = (error) => !/^the (header|file) /.test(error.problem);

/** The records that were skipped, folded away. */
export function skippedOf(task) {
  const more = task.skipped > task.errors.length ? `, the first ${SHOWN} of them` : "";
  return element(
    "details",
    { className: "skipped" },
    element("summary", {}, `${things(task.skipped, "bad record")} skipped${more}`),
    element("ul", {}, ...task.errors.map((error) => element("li", {}, error.message))),
  );
}

function factsOf(error) {
  const facts = [["Line", count(error.line)]];
  if (error.column) facts.push(["Column", error.column]);
  if (error.value !== null) facts.push(["Value", element("code", {}, error.value || "(nothing)")]);
  facts.push(["Problem", error.problem]);
  return facts.map(([term, text]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, text)),
  );
}

function hintOf({ column, problem }) {
  if (column === "Number of Plays" && problem.startsWith("is out of range")) {
    return "See whether the number is right: a song is not played as often as that.";
  }
  return (
    HINTS[column] ??
    OTHER_HINTS.find(([pattern]) => pattern.test(problem))?.[1] ??
    "Mend this line and upload the file again."
  );
}
