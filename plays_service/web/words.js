// What a card says about its job.

import { bytes, count, duration, moment, percent, things, timeLeft } from "./format.js";
import { Phase } from "./job.js";

const LABELS = {
  [Phase.WAITING]: "Waiting",
  [Phase.SENDING]: "Uploading",
  [Phase.LOOKING]: "Looking it up",
  [Phase.WORKING]: "Adding up",
  [Phase.DONE]: "Done",
  [Phase.FAILED]: "Failed",
  [Phase.CANCELLED]: "Cancelled",
  [Phase.REFUSED]: "Not taken",
  [Phase.INTERRUPTED]: "Interrupted",
  [Phase.GONE]: "No longer there",
};

const LINES = {
  [Phase.WAITING]: () => "Waiting for the uploads before it",
  [Phase.SENDING]: uploading,
  [Phase.LOOKING]: () => "Asking the service about it",
  [Phase.WORKING]: working,
  [Phase.DONE]: done,
  [Phase.FAILED]: () => "",
  [Phase.CANCELLED]: () => "It was cancelled. Nothing of it was kept.",
  [Phase.REFUSED]: (job) => job.message,
  [Phase.INTERRUPTED]: () =>
    "The upload ended when the page was closed or reloaded. Choose the file again.",
  [Phase.GONE]: () =>
    "The service has no such task: it has expired, or was deleted. Upload the file again.",
};

/** The phase in a word or two. */
export const labelOf = (job) => LABELS[job.phase];

/** The phase in a line. */
export const lineOf = (job) =>
  job.trouble ? `${job.trouble} Trying again…` : LINES[job.phase](job);

/** Size and time of the file. */
export function metaOf(job) {
  const size = job.size === null ? [] : [bytes(job.size)];
  return [...size, moment(new Date(job.added))].join(" · ");
}

/** How far it is, 0..1; null where that is not known. */
export function shareOf(job) {
  if (job.phase === Phase.SENDING) return job.size ? Math.min(job.sent / job.size, 1) : null;
  if (job.phase === Phase.WORKING) return job.task?.progress ? job.task.progress : null;
  return null;
}

function uploading(job) {
  const { rate } = job.pace;
  const parts = [
    `Uploading ${percent(shareOf(job) ?? 0)}`,
    `${bytes(job.sent)} of ${bytes(job.size)}`,
  ];
  if (rate > 0) parts.push(`${bytes(rate)}/s`, timeLeft((job.size - job.sent) / rate));
  return parts.join(" · ");
}

function working({ task }) {
  if (!task || task.state === "PENDING") return "Uploaded · waiting for a worker";
  if (!task.progress) return "Adding up";
  const parts = [`Adding up ${percent(task.progress)}`];
  if (task.seconds_left !== null) parts.push(timeLeft(task.seconds_left));
  return parts.join(" · ");
}

function done({ task }) {
  const seconds = (Date.parse(task.finished) - Date.parse(task.created)) / 1000;
  const parts = [`${things(task.rows, "record")} in ${things(task.groups, "total")}`];
  if (task.skipped) parts.push(`${count(task.skipped)} skipped`);
  if (seconds > 0) parts.push(`ready in ${duration(seconds)}`);
  return parts.join(" · ");
}
