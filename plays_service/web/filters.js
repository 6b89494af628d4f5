// What narrows the rows of a table: a part of the song's name, and days.

import { debounced, element } from "./dom.js";

const LONGEST = 200; // characters of a song that the API looks for
const TYPING = 250; // milliseconds: nobody wants the rows of half a word

/** Fields whose values the API takes; `onChange` is told when they have changed. */
export class Filters {
  #song = element("input", {
    type: "search",
    placeholder: "Search songs",
    "aria-label": "Search songs",
    maxLength: LONGEST,
  });
  #first;
  #last;
  #onChange;

  constructor({ first_date, last_date }, onChange) {
    this.#onChange = onChange;
    this.#first = dateField("From", first_date, last_date, onChange);
    this.#last = dateField("To", first_date, last_date, onChange);
    this.#song.addEventListener("input", debounced(onChange, TYPING));
    this.element = element(
      "div",
      { className: "filters", role: "search", "aria-label": "Rows" },
      this.#song,
      this.#first.label,
      this.#last.label,
    );
  }

  get query() {
    const values = {
      song: this.#song.value,
      date_from: this.#first.input.value,
      date_to: this.#last.input.value,
    };
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
  }

  /** Narrow to these; what is not named is no condition any more. */
  set({ song = "", first = "", last = "" }) {
    this.#song.value = song.slice(0, LONGEST);
    this.#first.input.value = first;
    this.#last.input.value = last;
    this.#onChange();
  }
}

function dateField(text, min, max, onChange) {
  const input = element("input", { type: "date", min, max });
  input.addEventListener("change", onChange);
  return { input, label: element("label", {}, element("span", {}, text), input) };
}
