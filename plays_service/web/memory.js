// What this browser remembers: tasks for all its tabs, and for a tab the uploads that a reload
// would end.

const TASKS = "plays.tasks";
const UPLOADS = "plays.uploads";
const MOST = 200;

/** `[{ id, name, size, added }]`, the newest first; `added` in milliseconds since the epoch. */
export const tasks = () => read(localStorage, TASKS).filter(isTask);

export function remember(task) {
  write(localStorage, TASKS, [task, ...tasks().filter((one) => one.id !== task.id)].slice(0, MOST));
}

export function forget(id) {
  write(
    localStorage,
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
export const interrupted = () => read(sessionStorage, UPLOADS);

export function rememberUploads(uploads) {
  write(sessionStorage, UPLOADS, uploads);
}

/** Whoever else writes to this storage must not break the page. */
function isTask(one) {
  return typeof one?.id === "string" && typeof one.name === "string" && Number.isFinite(one.added);
}

function read(storage, key) {
  try {
    const value = JSON.parse(storage.getItem(key));
    return Array.isArray(value) ? value : [];
  } catch {
    return []; // what is there is not ours, or storage is switched off
  }
}

function write(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: then nothing is remembered, and all else works.
  }
}
