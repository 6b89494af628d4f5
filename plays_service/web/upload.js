// One file on its way to the service.

import { ApiError, UNREACHABLE, messageOf } from "./api.js";
import { signIn } from "./session.js";
import { Turns } from "./turns.js";

const BROKEN =
  "The connection broke before the service had the whole file. Try again; " +
  "if it breaks again, see whether the file can still be read.";
const NO_TASK = "00000000-0000-0000-0000-000000000000";

// A browser opens six connections to a server, and some must be left for everything else.
const turns = new Turns(2);

/**
 * Upload a file; the id of its task. The browser reads it from the disk as it sends it: it is never
 * in memory. `onProgress(bytes)` is called first when its turn has come. Throws ApiError, or
 * AbortError.
 */
export async function upload(file, { options, onProgress, signal }) {
  const done = await turns.take(signal);
  try {
    for (;;) {
      const answer = await send(file, addressOf(file, options), onProgress, signal);
      if (answer.status === 200) return JSON.parse(answer.text).task_id;
      if (answer.status !== 401)
        throw new ApiError(answer.status, messageOf(answer.text, answer.status));
      await signIn();
    }
  } finally {
    done();
  }
}

function addressOf(file, { on_error, encoding }) {
  const query = new URLSearchParams({ filename: file.name });
  if (on_error) query.set("on_error", on_error);
  if (encoding) query.set("encoding", encoding);
  return `process_csv?${query}`;
}

/** With XMLHttpRequest, since fetch does not tell the progress of what it sends. */
function send(file, address, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => whyItBroke().then(resolve, reject);
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    onProgress(0);
    request.send(file);
  });
}

/**
 * A service that refuses early may close before the browser has read why. If it wants a token, it
 * says so at any address, and that is as if the upload had been answered so.
 */
async function whyItBroke() {
  const status = await fetch(`tasks/${NO_TASK}`).then(
    (answer) => answer.status,
    () => 0,
  );
  if (status === 401) return { status };
  throw new ApiError(0, status ? BROKEN : UNREACHABLE);
}
