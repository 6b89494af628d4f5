// What this browser remembers: tasks for all its tabs, and for a tab the uploads that a reload
// would end.

const LOCAL = "localStorage"; // by name: where storage is switched off, to touch it is an error
const SESSION = "sessionStorage";
const TASKS = "plays.tasks";
const UPLOADS = "plays.uploads";
const TOKEN = "plays.token";
const MOST = 200; // tasks

/** `[{ id, name, size, added }]`, the newest first; `added` in milliseconds since the epoch. */
export const tasks = () => read(LOCAL, TASKS).filter(isTask);

export function remember(task) {
  write(LOCAL, TASKS, [task, ...tasks().filter((one) => one.id !== task.id)].slice(0, MOST));
}

export function forget(id) {
  write(
    LOCAL,
    TASKS,
    tasks().filter((one) => one.id !== id),
  );
}

/** Tell when another tab has changed the tasks. */
export function onTasksElsewhere(action) {
  addEventListener("storage", (event) => {
    if (event.key === TASKS) action();
  });
}

/** `[{ name, size }]`: what was being uploaded in this tab when it was closed or reloaded. */
export const interrupted = () => read(SESSION, UPLOADS);

export function rememberUploads(uploads) {
  write(SESSION, UPLOADS, uploads);
}

/** Whether a token was given: the cookie that holds it no script can see. */
export const isSignedIn = () => read(LOCAL, TOKEN).length > 0;

export function rememberSignedIn(is) {
  write(LOCAL, TOKEN, is ? ["given"] : []);
}

/** Whoever else writes to this storage must not break the page. */
function isTask(one) {
  return typeof one?.id === "string" && typeof one.name === "string" && Number.isFinite(one.added);
}

function read(storage, key) {
  try {
    const value = JSON.parse(window[storage].getItem(key));
    return Array.isArray(value) ? value : [];
  } catch {
    return []; // what is there is not ours, or storage is switched off
  }
}

function write(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: then nothing is remembered, and all else works.
  }
}
