// Elements made in one expression.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Properties are the element's own; `aria-…`, `role` and `data-…` are attributes.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** An SVG element with attributes. */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button. */
export function button(text, action, properties = {}) {
  return element(
    "button",
    { type: "button", className: "button", onclick: action, ...properties },
    text,
  );
}

/** A function that runs `action` once the calls to it have paused for `milliseconds`. */
export function debounced(action, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}
