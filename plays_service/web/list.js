// The list of files: which there are, and which one is open. The address of the page names it, so
// it can be shared.

import { announce } from "./announce.js";
import { Card } from "./card.js";
import { confirmDeletion } from "./confirm.js";
import { Job, Phase } from "./job.js";
import { interrupted, onTasksElsewhere, rememberUploads, tasks } from "./memory.js";

const TASK_ID = /^#([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** Shows the jobs, the newest first. */
export class List {
  #section;
  #cards = new Map(); // by job
  #open = null;
  #onProblem;

  constructor(section, onProblem) {
    this.#section = section;
    this.#onProblem = onProblem;
  }

  /** Bring back what this browser remembers. */
  restore() {
    for (const task of tasks().toReversed()) this.#follow(task);
    for (const { name, size } of interrupted())
      this.#add(new Job({ name, size, phase: Phase.INTERRUPTED }));
    rememberUploads([]);
    this.#openAddressed();
    addEventListener("hashchange", () => this.#openAddressed());
    addEventListener("beforeunload", (event) => this.#uploads().length && event.preventDefault());
    onTasksElsewhere(() => this.#takeOverOthers());
  }

  /** Upload files: the first of them first, and on top. */
  upload(files, options) {
    const jobs = files.map(
      (file) => new Job({ name: file.name, size: file.size, file, phase: Phase.WAITING }),
    );
    for (const job of jobs.toReversed()) this.#add(job);
    for (const job of jobs) job.start(options);
  }

  #add(job) {
    const card = new Card(job, {
      toggle: () => this.#show(job === this.#open ? null : job),
      cancel: () => this.#attempt(() => job.cancel()),
      retry: (options) => job.start(options),
      remove: () => this.#remove(job),
    });
    this.#cards.set(job, card);
    this.#section.querySelector("ul").prepend(card.element);
    this.#section.hidden = false;
    document.body.classList.add("has-files");
    job.addEventListener("change", () => this.#changed(job));
    job.addEventListener("removed", () => this.#drop(job));
  }

  #follow({ id, name, size, added }) {
    const job = new Job({ id, name, size, added, phase: Phase.LOOKING });
    this.#add(job);
    job.follow();
    return job;
  }

  #changed(job) {
    rememberUploads(this.#uploads());
    const isFree = this.#open?.phase !== Phase.DONE;
    if (job.phase === Phase.DONE && job.file && isFree) this.#show(job); // it was waited for
    if (job === this.#open) this.#cards.get(job).setOpen(job.phase === Phase.DONE);
  }

  #uploads() {
    return [...this.#cards.keys()]
      .filter((job) => job.isUploading)
      .map(({ name, size }) => ({ name, size }));
  }

  #show(job) {
    if (this.#open && this.#open !== job) this.#cards.get(this.#open).setOpen(false);
    this.#open = job;
    if (job) this.#cards.get(job).setOpen(job.phase === Phase.DONE);
    history.replaceState(null, "", job ? `#${job.id}` : location.pathname + location.search);
    document.title = job ? `${job.name} · Plays` : "Plays: totals per song and date";
  }

  #openAddressed() {
    const id = TASK_ID.exec(location.hash)?.[1].toLowerCase();
    if (!id) return;
    const known = [...this.#cards.keys()].find((job) => job.id === id);
    this.#show(known ?? this.#follow({ id, name: "A file that was shared", size: null }));
  }

  #takeOverOthers() {
    const known = new Set([...this.#cards.keys()].map((job) => job.id));
    for (const task of tasks().toReversed()) if (!known.has(task.id)) this.#follow(task);
  }

  async #remove(job) {
    if (job.phase === Phase.DONE && !(await confirmDeletion(job.name))) return;
    await this.#attempt(() => job.remove());
  }

  async #attempt(action) {
    try {
      await action();
    } catch (error) {
      this.#onProblem(error.message);
    }
  }

  #drop(job) {
    const card = this.#cards.get(job);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    if (job === this.#open) this.#show(null);
    this.#cards.delete(job);
    card.element.remove();
    this.#section.hidden = !this.#cards.size;
    document.body.classList.toggle("has-files", this.#cards.size > 0);
    announce(`${job.name} is off the list`);
    (next ?? document.getElementById("files")).focus();
  }
}
