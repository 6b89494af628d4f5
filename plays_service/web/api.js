// Requests to the service, and what it says when they fail.

import { parseExactly } from "./json.js";
import { signIn } from "./session.js";
import { sleep } from "./sleep.js";

/** An answer that is an error; status 0: there was no answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether asking again may help. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const PATIENCE = 10; // questions that are asked again
const PAUSE = 2_000; // milliseconds before each

export const UNREACHABLE = "The service cannot be reached.";

/** The JSON at a path. Throws ApiError, or AbortError. */
export async function getJson(path, signal) {
  const answer = await request(path, { signal });
  return parseExactly(await answer.text());
}

/** The same from a service that may be busy for a while. */
export async function getJsonPatiently(path, signal) {
  for (let left = PATIENCE; ; left -= 1) {
    try {
      return await getJson(path, signal);
    } catch (error) {
      if (error.status !== 503 || !left) throw error;
      await sleep(PAUSE, signal);
    }
  }
}

/** DELETE a path. Throws ApiError. */
export async function remove(path) {
  await request(path, { method: "DELETE" });
}

/** What the service says in the body of an error. */
export function messageOf(text, status) {
  try {
    return JSON.parse(text).message;
  } catch {
    return `The service answered with the status ${status}.`;
  }
}

async function request(path, options) {
  for (;;) {
    const answer = await ask(path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401)
      throw new ApiError(answer.status, messageOf(await answer.text(), answer.status));
    await signIn();
  }
}

async function ask(path, options) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
}
