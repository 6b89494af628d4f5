// Where an axis has its marks: at numbers and days that people find round.

const DAY = 86_400_000; // milliseconds
const MONTHS = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const DAYS = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

/** Round numbers from `low` to `high`, both within them, about as many as asked for. */
export function numberTicks(low, high, about) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((factor) => factor * power >= rough) * power, 1);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/** Round days between two moments, `{ time, text }`, at most as many as asked for. */
export function dayTicks(start, end, most) {
  for (const { step, next, text } of steps()) {
    if ((end - start) / step > most) continue;
    const ticks = [];
    for (let time = next(start, true); time <= end; time = next(time, false)) {
      ticks.push({ time, text: text(time) });
    }
    return ticks;
  }
  return [];
}

function* steps() {
  for (const days of [1, 2, 7, 14]) {
    yield {
      step: days * DAY,
      next: (time, at) => (at ? time : time + days * DAY),
      text: (time) => DAYS.format(time),
    };
  }
  for (const months of [1, 3, 6]) {
    yield { step: months * 30 * DAY, next: nextMonth(months), text: (time) => MONTHS.format(time) };
  }
  for (const years of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]) {
    yield {
      step: years * 365 * DAY,
      next: nextMonth(years * 12),
      text: (time) => `${new Date(time).getUTCFullYear()}`,
    };
  }
}

/**
 * The first of the next month whose number divides by `months`; with `at`, also the moment itself.
 */
function nextMonth(months) {
  return (time, at) => {
    const date = new Date(time);
    const number = date.getUTCFullYear() * 12 + date.getUTCMonth();
    const isStart = date.getUTCDate() === 1 && number % months === 0;
    if (at && isStart) return time;
    const next = (Math.floor(number / months) + 1) * months;
    return new Date(0).setUTCFullYear(Math.floor(next / 12), next % 12, 1);
  };
}
