// A table that a reader sorts, filters and takes away.

const COLLATOR = new Intl.Collator("en", { numeric: true });
const LABELS = new Set(["level", "seed", "context_length", "duplicates", "document", "sample", "window", "value"]);
const FRACTIONS = new Set([
  "fraction", "sparsity", "removed", "excess", "difference", "token_accuracy", "smallest_drop", "smallest_drop_holm",
  "bytes_saved", "before", "after", "attacked", "dense_attacked", "perplexity_increase", "held_out_accuracy", "held_out_accuracy_share", "fraction_change", "seed_spread", "share",
]);
const FORMATS = {
  fraction: percent,
  p_value: (p) => (p < 1e-4 ? "< 0.0001" : String(+p.toPrecision(2))),
  bytes: inBytes,
  label: String,
  yes_no: (value) => (value ? "yes" : "no"),
  number,
};
const PAGE_ROWS = 100;
const MOST_CHOICES = 40;
const LONG = 40; // letters, of which more stand in several lines
const MOST_SELECTS = 8;

/**
 * Put a table into an element. `rows` are objects, or `frame` is a frame of a blob.
 *
 * `columns` say what is shown: `name`, and as wanted `label`, `numeric`, `format(value, row)`, a text, and
 * `cell(value, row)`, an element instead of that text; a `head` names its row, `hidden` ones are in the CSV alone. Left
 * out, they are those of the frame, each interval beside its estimate. `keep(row)` says which rows the reader has chosen elsewhere: call
 * `refresh` of what is returned when that changed. `download` is the name of the CSV file, `empty` what is said when
 * there is no row at all.
 */
function makeTable(
  container,
  { caption, columns = null, rows = null, frame = null, download: file, pageSize = PAGE_ROWS, keep = () => true, empty = "No row." },
) {
  const all = rows ?? rowsOf(frame);
  const every = (columns ?? columnsOf(frame?.columns ?? Object.keys(all[0] ?? {}), all)).map((column) => complete(column, all));
  const seen = every.filter((column) => !column.hidden);
  const texts = new Map();
  const state = { kept: all, shown: all, sort: null, ascending: true, page: 0, choices: {} };

  const search = element("input", { type: "search", oninput: () => filter() });
  const selects = element("span", { class: "selects" });
  const count = element("output", { role: "status", "aria-live": "polite" });
  const save = element("button", { type: "button", onclick: () => download(file, csvOf([every.map(({ name }) => name), ...state.shown.map((row) => every.map(({ name }) => row[name]))])) }, "Download CSV");
  const heads = seen.map((column) => headOf(column, () => sortBy(column)));
  const body = element("tbody");
  const table = element("table", { class: "data" }, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), body);
  const before = element("button", { type: "button", onclick: () => turn(-1) }, "Previous rows");
  const after = element("button", { type: "button", onclick: () => turn(1) }, "Next rows");
  const pages = element("p", { class: "controls pages" }, before, " ", after);
  container.replaceChildren(
    element("div", { class: "controls" }, element("label", {}, "Search ", search), selects, file ? save : null),
    element("p", { class: "table-count" }, count),
    element("div", { class: "scroll table-scroll", tabindex: "0", role: "region", "aria-label": caption }, table),
    pages,
  );
  refresh();
  return { refresh };

  function refresh() {
    state.kept = all.filter(keep);
    selects.replaceChildren(...seen.filter((column) => column.choice).slice(0, MOST_SELECTS).map(selectOf).filter(Boolean));
    filter();
  }

  /** A choice among a column's values, if they are few; what was chosen before stays, if it is still there. */
  function selectOf(column) {
    const values = [...new Set(state.kept.map((row) => row[column.name] ?? null))];
    const few = values.length > 1 && values.length <= MOST_CHOICES;
    if (!few || !values.includes(state.choices[column.name])) delete state.choices[column.name];
    if (!few) return null;
    values.sort((a, b) => compare(a, b, 1));
    const options = values.map((value, index) =>
      element("option", { value: index, selected: column.name in state.choices && state.choices[column.name] === value }, value === null ? "(none)" : column.format(value, {})),
    );
    const changed = (event) => {
      if (event.target.value === "") delete state.choices[column.name];
      else state.choices[column.name] = values[Number(event.target.value)];
      filter();
    };
    return element("label", {}, `${column.label} `, element("select", { onchange: changed }, element("option", { value: "" }, "all"), ...options), " ");
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const choices = Object.entries(state.choices);
    state.shown = state.kept.filter(
      (row) => choices.every(([name, value]) => (row[name] ?? null) === value) && (!wanted.length || wanted.every((word) => textOf(row).includes(word))),
    );
    state.page = 0;
    sort();
  }

  /** All that a reader can search for in a row: what is shown, and the values behind it. */
  function textOf(row) {
    let text = texts.get(row);
    if (text === undefined) {
      text = every.map((column) => `${row[column.name] ?? ""} ${column.hidden ? "" : textIn(column, row)}`).join(" ").toLowerCase();
      texts.set(row, text);
    }
    return text;
  }

  function sortBy(column) {
    // A third press gives back the order in which the rows came.
    if (state.sort !== column) [state.sort, state.ascending] = [column, true];
    else if (state.ascending) state.ascending = false;
    else state.sort = null;
    filter();
  }

  function sort() {
    const { sort: by, ascending } = state;
    seen.forEach((column, index) => heads[index].setAttribute("aria-sort", column !== by ? "none" : ascending ? "ascending" : "descending"));
    if (by) state.shown.sort((a, b) => compare(a[by.name] ?? null, b[by.name] ?? null, ascending ? 1 : -1));
    draw();
  }

  function turn(by) {
    state.page += by;
    draw();
    table.parentElement.scrollTop = 0;
  }

  function draw() {
    const first = state.page * pageSize;
    const drawn = state.shown.slice(first, first + pageSize);
    body.replaceChildren(...drawn.map((row) => element("tr", {}, ...seen.map((column) => cellOf(column, row)))));
    if (!drawn.length) body.append(element("tr", {}, element("td", { colspan: seen.length }, all.length ? "No row is left by what is searched and chosen, here and above the charts." : empty)));
    const part = state.shown.length > pageSize ? `; rows ${first + 1} to ${first + drawn.length} stand below` : "";
    count.textContent = `${number(state.shown.length)} of ${number(all.length)} rows${part}`;
    pages.hidden = state.shown.length <= pageSize;
    before.disabled = state.page === 0;
    after.disabled = first + pageSize >= state.shown.length;
  }
}

/**
 * The columns of rows, each named: an interval stands beside its estimate, its own two columns in the CSV alone, as are
 * columns that hold nothing. `kinds` are those that a name does not tell.
 */
function columnsOf(names, rows, kinds = {}) {
  const isEmpty = (name) => rows.length > 0 && rows.every((row) => (row[name] ?? null) === null);
  const columns = names.map((name) => ({ name, kind: kinds[name] ?? kindOf(name, rows), hidden: isEmpty(name) }));
  const byName = Object.fromEntries(columns.map((column) => [column.name, column]));
  for (const low of names.filter((name) => name === "ci_low" || name.endsWith("_ci_low"))) {
    const stem = low.slice(0, -"ci_low".length);
    const estimate = byName[`${stem}fraction`] ?? byName[stem.replace(/_$/, "")];
    const high = `${stem}ci_high`;
    if (!estimate || !byName[high]) continue;
    const write = FORMATS[estimate.kind];
    byName[low].hidden = byName[high].hidden = true;
    estimate.format = (value, row) => write(value) + betweenOf(row[low], row[high], write);
  }
  return columns;
}

/** An interval in brackets, its unit where the estimate's is; an empty text where it is unknown. */
function betweenOf(low, high, write) {
  const end = (value) => (value === null || value === undefined ? "" : write(value).replace(" %", ""));
  return end(low) || end(high) ? ` [${end(low)}, ${end(high)}]` : "";
}

/** What a column's values are, by its name and by what it holds. */
function kindOf(name, rows) {
  const some = rows.find((row) => row[name] !== null && row[name] !== undefined)?.[name];
  if (typeof some === "boolean") return "yes_no";
  if (typeof some !== "number" || LABELS.has(name)) return "label";
  if (name === "p" || name.startsWith("p_") || name.endsWith("_p_value")) return "p_value";
  if (name === "bytes" || name.endsWith("_bytes")) return "bytes";
  return FRACTIONS.has(name) || name.endsWith("fraction") ? "fraction" : "number";
}

/** A column with all that is needed to show it. */
function complete(column, rows) {
  const some = rows.find((row) => row[column.name] !== null && row[column.name] !== undefined)?.[column.name];
  const kind = column.kind ?? kindOf(column.name, rows);
  return {
    label: column.name.replaceAll("_", " "),
    numeric: typeof some === "number",
    choice: kind === "yes_no" || (kind === "label" && !["document", "sample"].includes(column.name)),
    ...column,
    format: column.format ?? ((value) => FORMATS[kind](value)),
  };
}

/** Numbers as numbers, texts as a reader orders them; what is missing comes last, whichever way is sorted. */
function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null);
  return direction * (typeof a === "string" || typeof b === "string" ? COLLATOR.compare(a, b) : a - b);
}

function headOf(column, press) {
  return element("th", { scope: "col", "aria-sort": "none", class: column.numeric && "numeric" }, element("button", { type: "button", onclick: press }, column.label));
}

function textIn(column, row) {
  const value = row[column.name] ?? null;
  return value === null ? "" : column.format(value, row);
}

function cellOf(column, row) {
  const content = column.cell ? column.cell(row[column.name] ?? null, row) : textIn(column, row);
  if (column.head) return element("th", { scope: "row" }, content);
  return element("td", { class: column.numeric ? "numeric" : (content.textContent ?? content).length > LONG && "long" }, content);
}

/** Bytes in the unit that a reader would choose. */
function inBytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${+(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}
