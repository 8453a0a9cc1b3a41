// The tables of the experiment, the paper's layout first.

const SIGNIFICANT = 0.05;

function startTables({ layout, tables }) {
  const container = document.getElementById("all-tables");
  const names = [["", "The paper's layout, with paired tests"], ...tables.map((table) => [table.name, table.name.replaceAll("_", " ")])];
  const choice = element("select", { id: "table-choice" }, ...names.map(([value, label]) => element("option", { value }, label)));
  const place = element("div", { id: "chosen-table" });
  container.replaceChildren(
    element("p", { class: "controls" }, element("label", {}, "Table ", choice)),
    element("p", { class: "quiet" }, "Models, strategies and k are those chosen ", element("a", { href: "#filters" }, "above the charts"), "; a press on a column's head sorts by it."),
    place,
  );
  let refresh = () => {};
  const show = () => {
    const table = tables.find(({ name }) => name === choice.value);
    refresh = table ? showTable(place, table) : showLayout(place, layout);
  };
  choice.addEventListener("change", show);
  show();
  onFilter(() => refresh());
}

/** Show one table as it stands in its file; gives what is to be called when the reader chose anew. */
function showTable(place, { name, file, how_to_read: sentence, frame, rows, filtered }) {
  const held = frame.values[0].length;
  const left = held < rows ? `The file has ${number(rows)} rows; here are ${number(held)} of them, those of the longest k first.` : "";
  const here = element("div", { class: "titled" });
  place.replaceChildren(
    element("h3", {}, name.replaceAll("_", " ")),
    element("p", {}, ...prose(sentence)),
    element("p", {}, element("strong", {}, left)),
    here,
    sourceLine([file]),
  );
  const records = rowsOf(frame);
  // What is measured of metrics has each metric's own unit: no column of them is a fraction.
  const kinds = name.startsWith("metrics") ? { difference: "number", excess: "number" } : {};
  const { refresh } = makeTable(here, {
    caption: name.replaceAll("_", " "),
    columns: columnsOf(frame.columns, records, kinds),
    rows: records,
    download: `${name}.csv`,
    keep: filtered ? isChosen : undefined,
    empty: "The table has no row: nothing in this experiment is of its kind.",
  });
  return refresh;
}

/** A sentence as nodes: what stands between backticks in it is a name. */
function prose(sentence) {
  return sentence.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/** Whether the reader has chosen to see a row, by its model, its strategies and its k, as far as it has them. */
function isChosen(row) {
  const known = (name, value) => (choicesOf(name).has(value) ? value : undefined);
  const [model, context_length] = [known("model", row.model), row.context_length];
  return [row.strategy, row.first, row.second].every((strategy) => isShown({ model, strategy: known("strategy", strategy), context_length }));
}

const KNOWN_CHOICES = {};

/** All values that a filter of the page offers. */
function choicesOf(name) {
  KNOWN_CHOICES[name] ??= new Set([...document.querySelectorAll(`#filters input[name=${name}]`)].map((box) => box.value));
  return KNOWN_CHOICES[name];
}

/** Show the paper's layout, a table a quantity; gives what is to be called when the reader chose anew. */
function showLayout(place, { files, how_to_read: sentence, frame }) {
  const cells = rowsOf(frame);
  const rows = element("select", {}, element("option", { value: "variants" }, "variants"), element("option", { value: "models" }, "models"));
  const variants = new Set(cells.map((cell) => cell.variant)).size;
  rows.value = variants > new Set(cells.map((cell) => cell.model)).size ? "variants" : "models";
  const blocks = element("div");
  const draw = () => {
    const quantities = Map.groupBy(cells.filter(isChosen), (cell) => cell.quantity);
    blocks.replaceChildren();
    for (const [quantity, own] of quantities) {
      const here = element("div", { class: "titled" });
      blocks.append(element("h4", {}, quantity), here);
      makeTable(here, { caption: quantity, ...layoutOf(own, rows.value), download: `${quantity.replaceAll(/[^a-z0-9]+/g, "_")}.csv` });
    }
    if (!quantities.size) blocks.append(element("p", {}, "No model is chosen above the charts, so there is no row."));
  };
  rows.addEventListener("change", draw);
  place.replaceChildren(
    element("h3", {}, "The paper's layout"),
    element("p", {}, sentence, " Below each value stands its change against the dense model: the samples that are lost and gained, and p of McNemar's exact test after Holm's correction; of perplexity, the ratio with its 95 % interval."),
    element("ul", { class: "legend" },
      element("li", {}, markOf("▼"), " fewer, or ", markOf("▲"), " more are extracted than by the dense model, significantly (p < 0.05 after Holm); without a mark the two cannot be told apart."),
      element("li", {}, element("span", { class: "collapsed" }, element("span", { class: "value" }, "struck out")), " stand collapsed variants: the model predicts no text any more, and what it does not extract is no forgetting.")),
    element("p", { class: "controls" }, element("label", {}, "Rows are ", rows)),
    blocks,
    sourceLine(files),
  );
  draw();
  return draw;
}

/** Columns and rows of one quantity's table: `along` says whether rows are models or variants. */
function layoutOf(cells, along) {
  const [down, across] = along === "models" ? ["model", "variant"] : ["variant", "model"];
  const rows = [...Map.groupBy(cells, (cell) => cell[down])].map(([name, own]) => {
    const row = { [down]: name };
    for (const cell of own) {
      row[cell[across]] = cell.value;
      for (const part of partsOf(cell)) row[`${cell[across]} ${part}`] = cell[part];
    }
    return { row, cells: new Map(own.map((cell) => [cell[across], cell])) };
  });
  const cellsOf = new Map(rows.map(({ row, cells: own }) => [row, own]));
  const names = [...new Set(cells.map((cell) => cell[across]))];
  const columns = names.flatMap((name) => [
    {
      name,
      label: name,
      numeric: true,
      format: (value, row) => textOfCell(cellsOf.get(row).get(name)),
      cell: (value, row) => shownCell(cellsOf.get(row).get(name)),
    },
    ...partsOf(cells[0]).map((part) => ({ name: `${name} ${part}`, hidden: true })),
  ]);
  return { columns: [{ name: down, head: true, choice: false }, ...columns], rows: rows.map(({ row }) => row) };
}

/** What the CSV has of a cell beside its value. */
function partsOf({ quantity, context_length: k }) {
  if (quantity === "token perplexity") return ["perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high", "verdict"];
  const test = ["extracted", "samples", "ci_low", "ci_high", "lost", "gained", "p_value", "p_holm"];
  return [...(k === null ? [] : test), "difference", "verdict"];
}

/** A cell in words: what a reader can search for. */
function textOfCell(cell) {
  return cell ? [valueOfCell(cell), cell.verdict, ...changeOfCell(cell)].join(" ") : "";
}

function valueOfCell({ quantity, value }) {
  return quantity === "token perplexity" ? number(value) : percent(value);
}

/** The change against dense and its test, a line each; of dense itself, its count. */
function changeOfCell(cell) {
  if (cell.quantity === "token perplexity") {
    const times = (value) => String(+value.toPrecision(3));
    const interval = betweenOf(cell.perplexity_ratio_ci_low, cell.perplexity_ratio_ci_high, times);
    return cell.strategy === "dense" || cell.perplexity_ratio === null ? [] : [`× ${times(cell.perplexity_ratio)}${interval}`];
  }
  if (cell.strategy === "dense") return cell.samples === null ? [] : [`${number(cell.extracted)} of ${number(cell.samples)}`];
  if (cell.difference === null) return [];
  const change = `${cell.difference > 0 ? "+" : ""}${percent(cell.difference).replace("-", "−").replace(" %", "")} points`;
  if (cell.lost === null) return [change];
  const p = `p ${cell.p_holm < 1e-4 ? "" : "= "}${FORMATS.p_value(cell.p_holm)}`;
  return [change, `${number(cell.lost)} lost, ${number(cell.gained)} gained, ${p}`];
}

function shownCell(cell) {
  if (!cell) return element("span", { class: "quiet" }, "not run");
  const told = cell.p_holm !== null && cell.p_holm < SIGNIFICANT;
  const fewer = cell.lost > cell.gained;
  return element(
    "span",
    { class: cell.verdict === "collapsed" && "collapsed" },
    told && cell.verdict !== "collapsed" ? markOf(fewer ? "▼" : "▲") : null,
    element("span", { class: "value" }, valueOfCell(cell)),
    ...changeOfCell(cell).map((line) => element("small", {}, line)),
    ["dense", "sound", null].includes(cell.verdict) ? null : element("small", {}, cell.verdict),
  );
}

/** The mark of a significant change, with what a screen reader says instead. */
function markOf(sign) {
  return element("span", { class: sign === "▼" ? "mark fewer" : "mark more", role: "img", "aria-label": sign === "▼" ? "significantly fewer" : "significantly more" }, sign);
}
