// Where the columns of a chart are, by time.

const WIDEST = 56; // pixels
export const DAY = 86_400_000; // milliseconds

/**
 * Columns placed by time, each as wide as its period; whole pixels, so that neighbours leave no
 * slits.
 */
export function layOut(points, unit, values, { left: from, right: to }, y) {
  const endOf = periodEnd(points, unit);
  const x = timeScale(points[0].time, endOf(points.at(-1).time), from, to);
  return points.map(({ time }, index) => {
    const left = Math.round(x(time));
    const room = Math.round(x(endOf(time))) - left;
    const gap = room < 4 ? 0 : Math.round(Math.min(room / 4, 2));
    const wide = Math.min(Math.max(room - gap, 1), WIDEST);
    const top = y(Math.max(values[index], 0));
    return {
      left: left + Math.floor((room - wide) / 2),
      width: wide,
      top,
      height: Math.abs(y(values[index]) - y(0)),
    };
  });
}

/** When the period of a point ends. Days that are a week apart, say, get a week each. */
function periodEnd(points, unit) {
  if (unit !== "day") return (time) => nextPeriod(time, unit);
  const gaps = points.slice(1).map(({ time }, index) => time - points[index].time);
  const shortest = gaps.length ? Math.min(...gaps) : DAY;
  return (time) => time + shortest;
}

export function nextPeriod(time, unit) {
  const date = new Date(time);
  return unit === "year"
    ? date.setUTCFullYear(date.getUTCFullYear() + 1)
    : date.setUTCMonth(date.getUTCMonth() + 1);
}

function timeScale(start, end, from, to) {
  return (time) => from + ((time - start) / (end - start)) * (to - from);
}
