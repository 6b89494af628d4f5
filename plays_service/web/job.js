// A file of the list, from being chosen to its totals.

import { ApiError, remove } from "./api.js";
import { follow } from "./follow.js";
import { forget, remember } from "./memory.js";
import { Pace } from "./pace.js";
import { upload } from "./upload.js";

/** What a job is at. A task's own states are told apart by `ENDS`. */
export const Phase = Object.freeze({
  WAITING: "waiting", // for its turn to upload
  SENDING: "sending",
  LOOKING: "looking", // it was remembered, and the service is asked
  WORKING: "working",
  DONE: "done",
  FAILED: "failed",
  CANCELLED: "cancelled",
  REFUSED: "refused", // no task came of the upload
  INTERRUPTED: "interrupted", // the upload ended with the page
  GONE: "gone", // the service does not know the task (any more)
});

const ENDS = { SUCCESS: Phase.DONE, FAILURE: Phase.FAILED, REVOKED: Phase.CANCELLED };
const UNDER_WAY = [Phase.WAITING, Phase.SENDING, Phase.LOOKING, Phase.WORKING];

/** Tells `change` whenever something about it has changed, and `removed`. */
export class Job extends EventTarget {
  id = null;
  file = null; // where it can be uploaded (again)
  options = {}; // of its upload
  task = null; // as the API shows it
  message = ""; // what is wrong, where no task says so
  trouble = ""; // why nothing new is known, for the moment
  sent = 0; // bytes
  pace = new Pace();
  #ending = new AbortController();

  constructor({ name, size = null, added = Date.now(), phase, ...more }) {
    super();
    Object.assign(this, { name, size, added, phase, ...more });
  }

  get isUnderWay() {
    return UNDER_WAY.includes(this.phase);
  }

  get isUploading() {
    return this.phase === Phase.WAITING || this.phase === Phase.SENDING;
  }

  /** Upload the file, and see its task to the end. */
  async start(options) {
    this.#ending = new AbortController();
    this.#set({ options, phase: Phase.WAITING, message: "", sent: 0, pace: new Pace() });
    const signal = this.#ending.signal;
    try {
      const id = await upload(this.file, {
        options,
        signal,
        onProgress: (sent) => this.#hasSent(sent),
      });
      remember({ id, name: this.name, size: this.size, added: this.added });
      this.#set({ id, phase: Phase.WORKING });
    } catch (error) {
      if (signal.aborted) this.#set({ phase: Phase.CANCELLED });
      else this.#set({ phase: Phase.REFUSED, message: error.message });
      return;
    }
    await this.follow();
  }

  /** See a task that is there to its end. */
  async follow() {
    const signal = this.#ending.signal;
    const onTask = (task) => this.#takeOver(task);
    const onTrouble = (trouble) => this.#set({ trouble });
    try {
      await follow(this.id, { onTask, onTrouble, signal });
    } catch (error) {
      if (signal.aborted) return;
      const gone = error instanceof ApiError && error.status === 404;
      this.#set({ phase: gone ? Phase.GONE : Phase.REFUSED, message: error.message });
    }
  }

  /** Stop it, wherever it is. Throws ApiError. */
  async cancel() {
    if (this.isUploading) this.#ending.abort();
    else await remove(`tasks/${this.id}`); // its end is told like any other
  }

  /** Take it off the list, and its totals off the service. Throws ApiError. */
  async remove() {
    if (this.id !== null && this.phase !== Phase.GONE) await this.#delete();
    this.leave();
  }

  /** Take it off the list only. */
  leave() {
    this.#ending.abort();
    if (this.id !== null) forget(this.id);
    this.dispatchEvent(new Event("removed"));
  }

  async #delete() {
    try {
      await remove(`tasks/${this.id}`);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }

  #hasSent(sent) {
    this.pace.add(sent);
    this.#set({ sent, phase: Phase.SENDING });
  }

  #takeOver(task) {
    this.#set({
      task,
      name: task.filename,
      size: task.bytes,
      added: Date.parse(task.created),
      trouble: "",
      phase: ENDS[task.state] ?? Phase.WORKING,
    });
  }

  #set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }
}
