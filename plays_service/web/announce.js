// What screen readers are told, without being told all of it.

const PAUSE = 10_000; // milliseconds between two reports of progress: more often is chatter

const status = document.getElementById("status");
let last = 0;

/** Say it now. */
export function announce(text) {
  last = performance.now();
  status.textContent = text;
}

/** Say it, unless something was said a moment ago. */
export function announceProgress(text) {
  if (performance.now() - last >= PAUSE) announce(text);
}
