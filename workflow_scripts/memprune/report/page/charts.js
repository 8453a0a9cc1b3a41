// Charts: Vega-Lite's, drawn from the rows that the reader has chosen, those in view first.

const LARGEST = 1e30; // an axis has no room for what is all but infinite
const PANEL = { least: 250, most: 420, alone: 640 }; // pixels of a panel's width
const LEGEND = { letter: 7, beside: 34 }; // of an entry's: for each letter of the longest one, and beside them
const MANY = 12; // lines, of which the intervals would hide all else
const AXIS = { beside: 60, within: 30 }; // pixels for axes: at the left of all panels, and for each one
const CHOICES = { at: "Level", name: "Variant", score: "Score" }; // what a reader picks, by the column of rows
const tooltip = element("div", { class: "tooltip", "aria-hidden": "true", hidden: true });
const DRAWING = {
  mode: "vega-lite",
  ast: true,
  renderer: "svg",
  actions: false,
  defaultStyle: false,
  logLevel: 1, // errors: a layer that is empty in one panel is no reason to warn
  tooltip: (handler, event, item, value) => showTooltip(event, value && item.datum),
};

// What a row says, in words: the columns of the numbers below a chart, as far as its rows have them.
const SAYS = {
  model: ["model", String],
  variant: ["variant", String],
  score: ["score", String],
  attack: ["attack", String],
  stage: ["stage", String],
  subset: ["subset", (value) => value ?? "not known"],
  category: ["category", (value) => value ?? "not known"],
  duplicates: ["duplicates", (value) => (value === null ? "not counted" : number(value))],
  layer: ["layer", String],
  role: ["matrix", String],
  head: ["head", String],
  share_pruned: ["pruned", (value, row) => `${number(row.zeros)} / ${number(row.matrix_weights)} = ${percent(value)}`],
  context_length: ["k", String],
  fraction: [
    "extracted",
    (value, row) => `${number(row.extracted)} / ${number(row.samples)} = ${percent(value)}${interval(row, "ci", percent)}`,
  ],
  kept: ["kept of what dense extracts", (value, row) => `${number(value)} / ${number(row.dense)}`],
  came_back: ["came back of what was lost", (value, row) => `${number(value)} / ${number(row.lost)}`],
  non_member_extracted: ["of non-members", (value, row) => `${number(value)} / ${number(row.non_member_samples)}`],
  excess: ["excess", (value, row) => percent(value) + interval(row, "excess_ci", percent)],
  change: ["change", percent],
  auc: ["AUC", (value, row) => number(value) + interval(row, "auc_ci", number)],
  token_perplexity: ["token perplexity", (value) => (value === null ? "infinite" : number(value))],
  perplexity_ratio: ["times dense", (value, row) => number(value) + interval(row, "perplexity_ratio_ci", number)],
  sparsity: ["sparsity in scope", percent],
  removed: ["weights removed", percent],
  bytes_saved: ["bytes saved", percent],
  verdict: ["verdict", String],
};
const MAY_BE_NULL = new Set(["subset", "category", "duplicates", "token_perplexity"]);

/** The 95 % interval of a row, with the space before it; an empty text where there is none. */
function interval(row, name, write) {
  const [low, high] = [row[`${name}_low`], row[`${name}_high`]];
  return low === null || low === undefined ? "" : ` [${write(low)}, ${write(high)}]`;
}

/** What a row says, as pairs of a name and a text. */
function wordsOf(row) {
  return Object.entries(SAYS)
    .filter(([name]) => row[name] !== undefined && (row[name] !== null || MAY_BE_NULL.has(name)))
    .map(([name, [label, write]]) => [label, write(row[name], row)]);
}

function startCharts(charts, frames) {
  const looks = rowsOf(frames.looks);
  const variants = rowsOf(frames.variants);
  const joined = new Map();
  const joinedRows = (name) => {
    if (!joined.has(name)) joined.set(name, rowsOf(frames[name]).map((row) => withVariant(row, variants[row.of])));
    return joined.get(name);
  };
  const all = charts.map((chart, place) => {
    const figure = place ? element("figure", { class: "chart" }) : document.getElementById("chart-first");
    if (place) document.getElementById("all-charts").append(figure);
    return { figure, draw: startChart(chart, () => joinedRows(chart.frame), looks, figure) };
  });
  document.body.append(tooltip);
  let turn = 0;
  const drawAll = async () => {
    const own = ++turn;
    for (const { draw } of byDistance(all)) {
      await new Promise((done) => setTimeout(done));
      if (own !== turn) return; // the reader has chosen anew
      await draw();
    }
    document.documentElement.dataset.drawn = "true";
  };
  onFilter(drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) drawAll();
    width = innerWidth;
  });
}

/** The charts, those first that are nearest to what the reader sees. */
function byDistance(all) {
  const distance = ({ figure }) => {
    const { top, bottom } = figure.getBoundingClientRect();
    return Math.max(0, top - innerHeight, -bottom);
  };
  return [...all].sort((a, b) => distance(a) - distance(b));
}

/** A row with what is known of its variant; `line` is the line that it stands on. */
function withVariant(row, variant) {
  return { ...variant, ...row, name: `${variant.model} ${variant.variant}`, line: variant.strategy };
}

/** Put all of a chart but its drawing into `figure`; gives the function that draws it. */
function startChart(chart, rows, looks, figure) {
  const plot = element("div", { class: "plot" });
  const room = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": chart.title }, plot);
  const note = element("p", { class: "note", "aria-live": "polite" });
  const numbers = element("details", {}, element("summary", {}, "The numbers"));
  const view = chart.views.length > 1 ? labelled(chart.select, chart.views.map((own, place) => [place, own.label])) : null;
  const choice = chart.choose ? labelled(CHOICES[chart.choose], []) : null;
  const save = (name, write) => element("button", { type: "button", onclick: () => drawing && write(drawing.view) }, name);
  let drawing = null;
  let drawn = [];
  let turn = 0;
  const fill = () => numbers.open && numbers.replaceChildren(numbers.firstChild, numbersOf(drawn, chart.title));
  numbers.addEventListener("toggle", fill);

  const draw = async () => {
    const own = ++turn;
    const shownRows = rows().filter((row) => isShown(row, chart.any_k));
    const picked = choice ? ofChoice(shownRows, chart, choice.querySelector("select")) : shownRows;
    const { needs, spec, only = {} } = chart.views[view ? view.querySelector("select").value : 0];
    const within = (row, name, most) => row[name] !== null && Math.abs(row[name]) <= most;
    const most = Object.entries({ ...Object.fromEntries(needs.map((name) => [name, LARGEST])), ...chart.at_most });
    const asked = picked.filter((row) => Object.entries(only).every(([name, value]) => row[name] === value));
    drawn = asked.filter((row) => most.every(([name, limit]) => within(row, name, limit)));
    const lines = looks.filter(({ line }) => drawn.some((row) => row.line === line));
    const said = [
      leftOut(asked.length - drawn.length, asked.length, chart.left_out),
      lines.length > MANY && chart.from_dense ? "With so many strategies no intervals are drawn; the numbers have them." : "",
    ];
    note.textContent = drawn.length ? said.join(" ") : chart.empty;
    figure.classList.toggle("empty", !drawn.length);
    fill();
    if (!drawn.length) {
      drawing?.finalize();
      drawing = null;
      plot.replaceChildren();
      return;
    }
    const rowsToDraw = chart.from_dense ? fromChanged(drawn) : drawn;
    const whole = { ...fitted(spec, drawn, lines, room.clientWidth), datasets: { rows: rowsToDraw } };
    const home = element("div");
    const result = await vegaEmbed(home, whole, DRAWING);
    if (own !== turn) return result.finalize();
    drawing?.finalize();
    drawing = result;
    const svg = home.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.firstElementChild.setAttribute("aria-hidden", "true"); // or each mark would want words of its own
    svg.setAttribute("aria-label", `${chart.title}: ${described(drawn)}. The numbers stand in a table below.`);
    plot.replaceChildren(home);
  };

  for (const control of [view, choice]) control?.addEventListener("change", draw);
  const controls = [view, choice].filter((control) => control);
  figure.append(
    element("h3", {}, chart.title),
    element("figcaption", {}, chart.caption),
    controls.length ? element("p", { class: "controls" }, ...controls) : "",
    room,
    note,
    numbers,
    element(
      "p",
      { class: "controls quiet" },
      save("Save as SVG", async (own) => download(`${chart.name}.svg`, await own.toSVG(), "image/svg+xml")),
      save("Save as PNG", async (own) => {
        const canvas = await own.toCanvas(2);
        canvas.toBlob((image) => download(`${chart.name}.png`, image, "image/png"));
      }),
      ` Drawn from ${chart.source}`,
    ),
  );
  return draw;
}

/** A label with a select, of which each option is a value and what is shown for it. */
function labelled(label, options) {
  const select = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
  return element("label", {}, `${label} `, select);
}

/** The rows of the value that is picked, of those that the rows have; what has none, as dense models, stays. */
function ofChoice(rows, chart, select) {
  const values = [...new Set(rows.map((row) => row[chart.choose]))].filter((value) => value !== null);
  const before = select.value || chart.initial;
  select.parentElement.hidden = !values.length;
  select.replaceChildren(...values.map((value) => element("option", {}, value)));
  if (values.includes(before)) select.value = before;
  return rows.filter((row) => row[chart.choose] === null || row[chart.choose] === select.value);
}

/** The rows, and those that strategies change, dense models or others, once more for each: its line starts there. */
function fromChanged(rows) {
  const of = (begin) => new Set(rows.filter((row) => row.model === begin.model && row.after === begin.variant).map((row) => row.strategy));
  return [...rows, ...rows.flatMap((row) => [...of(row)].map((line) => ({ ...row, line, order: 0 })))];
}

/** A specification for a width in pixels and for the lines that rows are of. */
function fitted(spec, rows, lines, width) {
  const own = structuredClone(spec);
  const unit = own.facet ? own.spec : own;
  const collapsed = rows.some((row) => row.verdict === "collapsed");
  const leaves = (name) => (name === "collapsed" && !collapsed) || (name?.startsWith("intervals") && lines.length > MANY);
  if (unit.layer) unit.layer = unit.layer.filter(({ name }) => !leaves(name)); // and their legends with them
  for (const { encoding } of unit.layer ?? [])
    for (const channel of ["color", "shape", "strokeDash"])
      if (encoding[channel]?.field === "line")
        encoding[channel].scale = { domain: lines.map(({ line }) => line), range: lines.map((look) => look[channel]) };
  const longest = Math.max(...lines.map(({ line }) => line.length));
  own.config.legend.columns = Math.max(1, Math.floor(width / (LEGEND.letter * longest + LEGEND.beside)));
  own.config.legend.labelLimit = width - AXIS.beside - LEGEND.beside;
  const models = own.facet ? new Set(rows.map((row) => row.model)).size : 1;
  const across = Math.max(1, Math.min(models, Math.floor((width - AXIS.beside) / (PANEL.least + AXIS.within))));
  unit.width = Math.min(models === 1 ? PANEL.alone : PANEL.most, Math.floor((width - AXIS.beside) / across - AXIS.within));
  if (own.facet) own.columns = across;
  return own;
}

/** What is not drawn, in words; an empty text if all is. */
function leftOut(count, all, why) {
  return count ? `Not drawn: ${count} of ${all} variants, ${why ?? "of which it is not known"}.` : "";
}

/** What rows are of, in words. */
function described(rows) {
  const models = [...new Set(rows.map((row) => row.model))];
  const strategies = new Set(rows.map((row) => row.strategy).filter((strategy) => strategy !== "dense"));
  return `${rows.length} values of ${models.join(", ")}, with ${strategies.size} strategies`;
}

/** The rows as a table. */
function numbersOf(rows, title) {
  const said = Object.entries(SAYS).filter(([name]) => rows.some((row) => row[name] !== undefined));
  const cell = (row, name, write) => (row[name] === null && !MAY_BE_NULL.has(name) ? "" : write(row[name], row));
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": `The numbers: ${title}` },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...said.map(([, [label]]) => element("th", { scope: "col" }, label)))),
      element(
        "tbody",
        {},
        ...rows.map((row) => element("tr", {}, ...said.map(([name, [, write]]) => element("td", {}, cell(row, name, write))))),
      ),
    ),
  );
}

/** Show what a row says beside the pointer; nothing for null. */
function showTooltip(event, row) {
  tooltip.hidden = !row;
  if (!row) return;
  tooltip.replaceChildren(...wordsOf(row).flatMap(([name, text]) => [element("span", {}, name), element("span", {}, text)]));
  const { width, height } = tooltip.getBoundingClientRect();
  const beside = event.clientX + 14;
  tooltip.style.left = `${Math.max(4, beside + width > innerWidth ? event.clientX - 14 - width : beside)}px`;
  tooltip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
}
