// Data that the page holds: compressed, in base64, each in an element of its own that the browser never runs.

/** The bytes of the blob of a name; null if the page has none. */
async function bytesOf(name) {
  const element = document.getElementById(`blob-${name}`);
  if (!element) return null;
  const letters = atob(element.textContent);
  const compressed = new Uint8Array(letters.length); // a plain loop: Uint8Array.from takes a hundred times as long
  for (let place = 0; place < letters.length; place += 1) compressed[place] = letters.charCodeAt(place);
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The content of a blob of JSON; null if the page has none. */
async function contentOf(name) {
  const bytes = await bytesOf(name);
  return bytes && JSON.parse(new TextDecoder().decode(bytes));
}

/** The rows of a frame, `{columns, values}`, as objects. */
function rowsOf(frame) {
  const count = frame.values.length ? frame.values[0].length : 0;
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(frame.columns.map((name, column) => [name, frame.values[column][row]])),
  );
}
