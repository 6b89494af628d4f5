// The songs that were played most, as bars.

import { button, element } from "./dom.js";
import { clipped, count } from "./format.js";

const SHOWN = 10; // before more is asked for

/** A panel of bars; `onSong` is told the song that is chosen. */
export function topSongs(songs, onSong) {
  const most = Math.max(1, ...songs.map(({ plays }) => Number(plays)));
  const rows = songs.map((song, rank) => rowOf(song, rank, most, onSong));
  const more = button(`Show all ${songs.length}`, () => {
    const first = rows[SHOWN];
    for (const row of rows) row.hidden = false;
    first.querySelector("button").focus();
    more.remove();
  });
  more.classList.add("link");
  const table = element(
    "table",
    { className: "songs" },
    element("caption", { className: "hidden" }, "The songs with the most plays"),
    element(
      "thead",
      { className: "hidden" },
      element("tr", {}, ...["Song", "Plays"].map((text) => element("th", { scope: "col" }, text))),
    ),
    element("tbody", {}, ...rows),
  );
  return element(
    "section",
    { className: "panel" },
    element("h4", {}, "Top songs"),
    table,
    ...(songs.length > SHOWN ? [more] : []),
  );
}

function rowOf({ song, plays }, rank, most, onSong) {
  const bar = element("span", { className: "bar", "aria-hidden": "true" });
  bar.style.width = `${(Math.max(Number(plays), 0) / most) * 100}%`;
  const name = button(clipped(song), () => onSong(song), {
    className: "song",
    title: `${clipped(song)}: ${count(plays)} plays`,
  });
  return element(
    "tr",
    { hidden: rank >= SHOWN },
    element("th", { scope: "row" }, name, bar),
    element("td", {}, count(plays)),
  );
}
