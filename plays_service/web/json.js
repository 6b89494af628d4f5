// JSON with exact totals: they have no bounds, and JavaScript's numbers are exact to 2^53 only.

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONG_INTEGER = /^-?\d{16,}$/;

/** The value of a JSON text; `plays` beyond 15 digits are BigInts. Throws SyntaxError. */
export function parseExactly(text) {
  const quoted = text.replace(STRING_OR_NUMBER, (token) =>
    LONG_INTEGER.test(token) ? `"${token}"` : token,
  );
  return JSON.parse(quoted, (key, value) =>
    key === "plays" && typeof value === "string" ? BigInt(value) : value,
  );
}
