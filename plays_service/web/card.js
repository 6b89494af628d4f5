// A job in the list: its state, what can be done with it, and its result when it is open.

import { announce, announceProgress } from "./announce.js";
import { button, element } from "./dom.js";
import { canBeSkipped, failureOf, skippedOf } from "./failure.js";
import { Phase } from "./job.js";
import { Result } from "./result.js";
import { labelOf, lineOf, metaOf, shareOf } from "./words.js";

let made = 0;

/** Shows a job. `actions` has `toggle()`, `cancel()`, `retry(options)` and `remove()`. */
export class Card {
  #job;
  #actions;
  #phase = null; // that is shown
  #result = null;
  #parts;

  constructor(job, actions) {
    this.#job = job;
    this.#actions = actions;
    this.#parts = build(`card-${(made += 1)}`, actions.toggle);
    this.element = this.#parts.card;
    job.addEventListener("change", () => this.#render());
    this.#render();
  }

  /** Show the result, or put it away. */
  setOpen(open) {
    const { toggle, body } = this.#parts;
    toggle.setAttribute("aria-expanded", open);
    if (open && !this.#result) {
      this.#result = new Result(this.#job);
      body.append(this.#result.element);
    } else if (!open && this.#result) {
      this.#result.close();
      this.#result.element.remove();
      this.#result = null;
    }
    this.element.classList.toggle("open", open);
  }

  focus() {
    this.#parts.name.querySelector("button, span").focus();
  }

  #render() {
    const job = this.#job;
    const line = lineOf(job);
    this.#parts.meta.textContent = metaOf(job);
    this.#parts.line.textContent = line;
    this.#parts.line.hidden = !line;
    this.#renderProgress(job);
    if (job.phase !== this.#phase) this.#renderPhase(job);
    else if (job.isUnderWay) announceProgress(`${job.name}: ${line}`);
  }

  #renderProgress(job) {
    const { progress } = this.#parts;
    const share = shareOf(job);
    progress.hidden = !job.isUnderWay || job.phase === Phase.WAITING;
    progress.setAttribute("aria-label", `${labelOf(job)}: ${job.name}`);
    if (share === null) progress.removeAttribute("value");
    else progress.value = share;
  }

  #renderPhase(job) {
    const { card, name, badge, toggle, details, actions } = this.#parts;
    const hadFocus = actions.contains(document.activeElement);
    if (this.#phase !== null && this.#phase !== Phase.LOOKING)
      announce(`${job.name}: ${labelOf(job)}. ${lineOf(job)}`);
    this.#phase = job.phase;
    card.dataset.phase = job.phase;
    badge.textContent = labelOf(job);
    toggle.textContent = job.name;
    name.replaceChildren(
      job.phase === Phase.DONE ? toggle : element("span", { tabIndex: -1 }, job.name),
    );
    actions.replaceChildren(...this.#buttons(job));
    details.replaceChildren(...detailsOf(job));
    if (hadFocus) (actions.querySelector("a, button") ?? card).focus();
  }

  #buttons(job) {
    const { cancel, retry, remove } = this.#actions;
    const named = (text, action) => button(text, action, { "aria-label": `${text}: ${job.name}` });
    if (job.phase === Phase.LOOKING) return [];
    if (job.isUnderWay) return [named("Cancel", cancel)];
    const buttons = job.phase === Phase.DONE ? downloadsOf(job) : [];
    if (job.file && job.phase !== Phase.DONE)
      buttons.push(named("Try again", () => retry(job.options)));
    if (job.file && job.phase === Phase.FAILED && job.task.error && canBeSkipped(job.task.error)) {
      buttons.push(named("Skip bad records", () => retry({ ...job.options, on_error: "skip" })));
    }
    buttons.push(named(job.phase === Phase.DONE ? "Delete" : "Dismiss", remove));
    return buttons;
  }
}

function build(id, onToggle) {
  const parts = {
    badge: element("span", { className: "badge" }),
    name: element("h3", { className: "card-name" }),
    toggle: element("button", {
      type: "button",
      className: "toggle",
      onclick: onToggle,
      "aria-expanded": "false",
      "aria-controls": id,
    }),
    meta: element("p", { className: "card-meta" }),
    actions: element("div", { className: "card-actions" }),
    progress: element("progress", { max: 1 }),
    line: element("p", { className: "card-line" }),
    details: element("div", { className: "card-details" }),
    body: element("div", { className: "card-body", id }),
  };
  const title = element("div", { className: "card-title" }, parts.name, parts.meta);
  const head = element("div", { className: "card-head" }, parts.badge, title, parts.actions);
  parts.card = element(
    "li",
    { className: "card", tabIndex: -1 },
    head,
    parts.progress,
    parts.line,
    parts.details,
    parts.body,
  );
  return parts;
}

function detailsOf({ phase, task }) {
  if (phase === Phase.FAILED) return [failureOf(task)];
  return phase === Phase.DONE && task.skipped ? [skippedOf(task)] : [];
}

function downloadsOf({ id, name }) {
  const link = (text, suffix, label) =>
    element(
      "a",
      {
        className: "button",
        href: `result/${id}${suffix}`,
        download: "",
        "aria-label": `${label}: ${name}`,
      },
      text,
    );
  return [
    link("Download CSV", "", "Download CSV"),
    link("gzip", ".csv.gz", "Download packed with gzip"),
  ];
}
