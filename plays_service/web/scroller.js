// Scrolling through more rows than a browser can lay out.

const TALLEST = 8_000_000; // pixels: browsers end at 17 to 33 million, and lose precision before
const SETTLED = 150; // milliseconds without scrolling

/**
 * Turns what a scrolling element does into a place in a list, in rows. Where the list is too tall,
 * small moves (wheel, finger, arrow keys) are taken as they are, and large ones (scroll bar) in
 * proportion to the whole; when it rests, the scroll bar is put where the place is.
 */
export class Scroller {
  position = 0; // rows above the first visible, with fractions
  #element;
  #rowHeight;
  #onMove;
  #total = 0;
  #view = 0; // rows that are visible at once
  #top = 0; // of the element, as last seen
  #timer = 0;

  constructor(element, rowHeight, onMove) {
    this.#element = element;
    this.#rowHeight = rowHeight;
    this.#onMove = onMove;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    element.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Height of all rows, in pixels, as far as it can be laid out. */
  get height() {
    return Math.min(this.#total * this.#rowHeight, TALLEST);
  }

  /** Take over how many rows there are, and how many are visible at once. */
  measure(total, view) {
    this.#total = total;
    this.#view = view;
    this.position = this.#within(this.position);
  }

  /** Go to a row. */
  goTo(position) {
    this.position = this.#within(position);
    this.#settle();
    this.#onMove();
  }

  get #isScaled() {
    return this.#total * this.#rowHeight > TALLEST;
  }

  /** The last position, in rows. */
  get #end() {
    return Math.max(this.#total - this.#view, 0);
  }

  /** The last place of the scroll bar, in pixels. */
  get #bottom() {
    return Math.max(this.height - this.#view * this.#rowHeight, 1);
  }

  #within(position) {
    return Math.min(Math.max(position, 0), this.#end);
  }

  #scrolled() {
    const top = this.#element.scrollTop;
    const moved = top - this.#top;
    this.#top = top;
    const isSmall = Math.abs(moved) <= this.#view * this.#rowHeight;
    const position =
      this.#isScaled && isSmall
        ? this.position + moved / this.#rowHeight
        : (top / this.#bottom) * this.#end;
    this.position = this.#within(position);
    clearTimeout(this.#timer);
    if (this.#isScaled && (top <= 0 || top >= this.#bottom - 1)) this.#settle();
    else if (this.#isScaled) this.#timer = setTimeout(() => this.#settle(), SETTLED);
    this.#onMove();
  }

  /** Put the scroll bar where the position is; at an end only if that is there too. */
  #settle() {
    const place = (this.position / (this.#end || 1)) * this.#bottom;
    const inside = this.position > 0 && this.position < this.#end;
    this.#element.scrollTop = inside ? Math.min(Math.max(place, 2), this.#bottom - 2) : place;
    this.#top = this.#element.scrollTop;
  }

  #onKey(event) {
    if (event.target !== this.#element || !(event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    this.goTo(event.key === "Home" ? 0 : this.#end);
  }
}
