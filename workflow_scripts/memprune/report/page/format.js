// How numbers and elements are written.

/** An element with attributes and children; a child that is a string is text, never markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A fraction in percent: one digit, or two significant ones if it is smaller than 1 %. */
function percent(fraction) {
  const value = 100 * fraction;
  return `${Math.abs(value) >= 1 || value === 0 ? value.toFixed(1) : value.toPrecision(2)} %`;
}

/** A number with so many significant digits as a reader needs; an empty text for null. */
function number(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3 ? value.toExponential(2) : String(+value.toPrecision(4));
}

/** Lines of values as CSV (RFC 4180): numbers in all their digits, nothing where a value is missing. */
function csvOf(lines) {
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map((values) => `${values.map(field).join(",")}\r\n`).join("");
}

/** Save a text as a file of the reader's. */
function download(name, text, type = "text/csv") {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}
