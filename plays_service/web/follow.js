// A task from now to its end: by server-sent events, and by asking where these do not get through.

import { ApiError, getJson } from "./api.js";
import { parseExactly } from "./json.js";
import { sleep } from "./sleep.js";
import { Turns } from "./turns.js";

const SHORTEST = 1_000; // milliseconds between two questions
const LONGEST = 15_000;
const SILENCE = 5_000; // the first event is sent at once: if none comes, something holds it back

// Each takes one of the six connections that a browser opens to a server.
const streams = new Turns(2);

export const hasEnded = (task) => ["SUCCESS", "FAILURE", "REVOKED"].includes(task.state);

/**
 * Tell `onTask` each state of the task; returns the last. While the service cannot be asked,
 * `onTrouble` is told, and it goes on. Throws ApiError where the task is not there, or AbortError.
 */
export async function follow(id, { onTask, onTrouble, signal }) {
  let pause = SHORTEST;
  for (;;) {
    try {
      const task = await getJson(`tasks/${id}`, signal);
      onTask(task);
      if (hasEnded(task)) return task;
      pause = SHORTEST;
      if (await listen(id, onTask, signal)) continue;
      await sleep(SHORTEST, signal);
    } catch (error) {
      if (!(error instanceof ApiError && error.isPassing)) throw error;
      onTrouble(error.message);
      await sleep(pause, signal);
      pause = Math.min(pause * 2, LONGEST);
    }
  }
}

/** Take events until the stream ends; whether it ended with the task. */
async function listen(id, onTask, signal) {
  const done = streams.tryTake();
  if (!done) return false;
  const source = new EventSource(`tasks/${id}/events`);
  const over = new AbortController();
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), SILENCE);
      source.addEventListener("task", (event) => {
        clearTimeout(timer);
        const task = parseExactly(event.data);
        onTask(task);
        if (hasEnded(task)) resolve(true);
      });
      source.onerror = () => resolve(false);
      signal.addEventListener("abort", () => resolve(false), { signal: over.signal });
    });
  } finally {
    over.abort();
    source.close();
    done();
  }
}
