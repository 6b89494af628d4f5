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
const FOREIGN = "Something else answers in place of the service."; // such as a proxy's page

/** The JSON at a path. Throws ApiError, or AbortError. */
export async function getJson(path, signal) {
  return understood(await request(path, { signal }));
}

/** The JSON in the text of an answer. Throws ApiError. */
export function understood({ text }) {
  try {
    return parseExactly(text);
  } catch {
    throw new ApiError(0, FOREIGN);
  }
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
    const { message } = JSON.parse(text);
    if (typeof message === "string") return message;
  } catch {
    // It is no JSON: a proxy's page, say.
  }
  return `The service answered with the status ${status}.`;
}

async function request(path, options) {
  for (;;) {
    const answer = await ask(path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401)
      throw new ApiError(answer.status, messageOf(answer.text, answer.status));
    await signIn();
  }
}

async function ask(path, options) {
  try {
    const answer = await fetch(path, { cache: "no-store", ...options });
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
}
