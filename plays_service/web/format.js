// Numbers, sizes and times as people read them.

const COUNT = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const SHOWN = 300; // characters
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const TIME = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const DAY_AND_TIME = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** 1234567 as "1,234,567"; a BigInt as exactly. */
export const count = (number) => COUNT.format(number);

/** 1234567 as "1.2M". */
export const short = (number) => SHORT.format(number);

/** Text that may be of any length, as long as people read it. */
export const clipped = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** A number of things with its noun: "1 row", "2 rows". */
export const things = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Of 0..1, "45%"; 100% only when it is all. */
export const percent = (share) => `${Math.floor(share * 100)}%`;

/** Bytes as "1.5 MB" (units of 1000). */
export function bytes(number) {
  const power = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), UNITS.length - 1);
  const amount = number / 1000 ** power;
  return `${amount < 10 && power ? amount.toFixed(1) : Math.round(amount)} ${UNITS[power]}`;
}

/** Seconds as "12 s", "3 min", "2 h 5 min". */
export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(seconds, 0.1).toFixed(1)} s`;
  if (seconds < 99) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Seconds that are left, roughly: what is shown while it changes must be calm. */
export function timeLeft(seconds) {
  if (seconds < 1) return "less than a second left";
  return `about ${seconds < 10 ? `${Math.ceil(seconds)} s` : duration(seconds)} left`;
}

/** A moment, with its day where that is not today. */
export function moment(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? `today, ${TIME.format(date)}` : DAY_AND_TIME.format(date);
}
