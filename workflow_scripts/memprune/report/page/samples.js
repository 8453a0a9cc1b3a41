// The samples: which texts are reproduced, and what each variant makes of them.

const SAMPLES_A_PAGE = 25;
const SEARCH_DELAY = 250; // milliseconds after a letter

/** Show the explorer of samples: a form, a list in pages, and what a reader opens. */
async function startSamples(index) {
  const place = document.getElementById("all-samples");
  if (!index.models.length) {
    const why = index.total ? "No variant has evidence in this results folder (scores/)" : "No sample was drawn";
    place.append(element("p", {}, `${why}, so there is nothing to look at here.`));
    return;
  }
  const samples = await readSamples(index);
  const form = sampleForm(samples);
  const found = element("output", { id: "samples-found", role: "status", "aria-live": "polite" });
  const list = element("ol", { class: "sample-list", id: "sample-list" });
  const pages = element("nav", { class: "pages controls", "aria-label": "Pages of samples" });
  const save = element("button", { type: "button", id: "samples-csv" }, "Download the list as CSV");
  place.append(...samplesPreface(samples), form, element("p", { class: "found" }, found, " ", save), pages, list);

  let kept = [];
  let asked = null;
  let page = 0;
  let turn = 0;

  const show = async () => {
    const mine = ++turn;
    offerVariants(form, samples);
    const wanted = askedOf(form, samples);
    const generated = samples.models[wanted.model].generated;
    const [texts, measures] = await Promise.all([
      wanted.search.trim() ? soughtTexts(samples, wanted.model) : null,
      wanted.near && generated ? unpackedOnce(`samples-measures-${wanted.model}`) : null,
    ]);
    if (mine !== turn) return;
    asked = wanted;
    kept = filteredSamples(samples, asked, texts, measures?.near_verbatim_10);
    found.textContent = foundWords(samples, asked, kept.length);
    save.disabled = kept.length === 0;
    showPage(0);
  };

  const showPage = (wanted) => {
    page = wanted;
    const own = kept.slice(page * SAMPLES_A_PAGE, (page + 1) * SAMPLES_A_PAGE);
    list.start = page * SAMPLES_A_PAGE + 1;
    list.replaceChildren(...own.map((row) => element("li", {}, sampleEntry(samples, asked, row))));
    pages.replaceChildren(...pageButtons(page, kept.length, showPage));
  };

  /** Open the sample that the address names, after its #. */
  const openNamed = async () => {
    const name = decodeURIComponent(location.hash.slice(1));
    if (!samples.rows.some(({ id }) => id === name)) return;
    if (!kept.some(({ id }) => id === name)) {
      form.reset();
      await show();
    }
    showPage(Math.floor(kept.findIndex(({ id }) => id === name) / SAMPLES_A_PAGE));
    const entry = document.getElementById(name);
    entry.open = true;
    entry.scrollIntoView();
  };

  let waiting;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target.type === "search" || event.target.type === "number") waiting = setTimeout(show, SEARCH_DELAY);
  });
  save.addEventListener("click", () => download("samples.csv", samplesAsCsv(samples, asked, kept)));
  window.addEventListener("hashchange", openNamed);
  await show();
  await openNamed();
}

/** What is shown here, how it was chosen, and how to read it. */
function samplesPreface({ rows, total, suffix, shades, without_texts: missing, models }) {
  const bounded = rows.length < total ? ", those of which some variant reproduces most first" : "";
  const key = Array.from({ length: shades.count }, (_, shade) => element("span", { class: `token shade-${shade}` }, " "));
  const legend = element(
    "p",
    { class: "legend" },
    "Shading: the log-probability of each true token, given the true tokens before it, from ",
    `${shades.lowest} nats or less `,
    element("span", { class: "scale", role: "img", "aria-label": "pale to dark" }, ...key),
    " to 0, certain. ",
    element("span", { class: "token shade-4 missed" }, "Underlined"),
    ": greedy decoding would choose another token. ",
    element("mark", {}, "Marked"),
    ": the first difference.",
  );
  const until = "Up to the first mismatch greedy decoding writes the true suffix; from there on it goes its own way.";
  const later = models.some(({ generated }) => generated)
    ? " What it wrote stands beside it, at the longest k, for the samples of which text was generated."
    : " No text was generated in this experiment (generation), so what it wrote from there on is not known.";
  return [
    element(
      "p",
      {},
      `${rows.length.toLocaleString("en")} of ${total.toLocaleString("en")} samples${bounded}. `,
      `A sample is extracted when all ${suffix} tokens of its suffix are matched. `,
      "Forgotten: the dense model extracts it and the variant does not. Still extracted: both do.",
    ),
    element("p", {}, until + later),
    ...(missing ? [element("p", { class: "notice" }, `${missing} Tokens are numbered blocks.`)] : []),
    legend,
  ];
}

let soughtModel = { model: null, texts: null };

/** The texts that are searched, of the model that was searched last. */
function soughtTexts(samples, model) {
  if (soughtModel.model !== model) soughtModel = { model, texts: searchableTexts(samples, model) };
  return soughtModel.texts;
}

function foundWords(samples, asked, count) {
  const of = `${count.toLocaleString("en")} of ${samples.rows.length.toLocaleString("en")} samples`;
  const which = `${samples.models[asked.model].name}, k = ${samples.lengths[asked.length]}`;
  return count ? `${of}: ${which}` : `No sample is what you ask for (${which}).`;
}

/** A sample in the list, which unfolds. */
function sampleEntry(samples, asked, row) {
  const body = element("div", { class: "sample-body" });
  const label = `${row.split === "member" ? "member" : "non-member"} ${row.sample}`;
  const duplicates = row.duplicates === null ? null : `${row.duplicates} ${row.duplicates === 1 ? "copy" : "copies"}`;
  const about = [row.subset, duplicates].filter((words) => words !== null).join(" · ");
  const first = row.first ? element("span", { class: "first corpus", dir: "auto" }, ...visibleText(row.first.replace(/\s+/g, " "))) : null;
  const summary = element(
    "summary",
    {},
    element("span", { class: "sample-name" }, label),
    element("span", { class: "quiet" }, about),
    sampleStrip(samples, asked, row),
    first,
  );
  const entry = element("details", { id: row.id, name: "sample" }, summary, body);
  entry.addEventListener("toggle", async () => {
    if (entry.open && !body.childElementCount) body.replaceChildren(...(await sampleDetail(samples, asked, row)));
  });
  return entry;
}

/** How much each variant reproduces, a cell a variant: its height is the share of tokens matched. */
function sampleStrip(samples, { model, length }, row) {
  const { variants } = samples.models[model];
  const counts = variants.map((_, place) => samples.matched(model, place, length, row.place));
  const whole = counts.filter((count) => count === samples.suffix).length;
  const cells = counts.map((count, place) => {
    const words = count === null ? "not scored" : `${count} of ${samples.suffix}`;
    const level = count === null ? 0 : Math.ceil((10 * count) / samples.suffix);
    const kind = count === samples.suffix ? "whole" : count === null ? "unscored" : "part";
    return element("span", { class: `cell ${kind} level-${level}`, title: `${variants[place].variant}: ${words}` });
  });
  const label = `extracted by ${whole} of ${variants.length} variants`;
  return element("span", { class: "strip", role: "img", "aria-label": label }, ...cells);
}

/** Buttons to the pages before and after, and words on where this one is. */
function pageButtons(page, count, showPage) {
  const last = Math.max(0, Math.ceil(count / SAMPLES_A_PAGE) - 1);
  if (last === 0) return [];
  const button = (words, to, disabled) => {
    const go = () => {
      showPage(to);
      document.querySelector("#sample-list summary")?.focus({ preventScroll: true });
    };
    return element("button", { type: "button", disabled, onclick: go }, words);
  };
  return [
    button("First", 0, page === 0),
    button("Previous", page - 1, page === 0),
    element("span", { "aria-current": "page" }, `Page ${page + 1} of ${last + 1}`),
    button("Next", page + 1, page === last),
    button("Last", last, page === last),
  ];
}

/** The list as CSV: what identifies a sample, and the tokens that each variant matched. */
function samplesAsCsv(samples, { model, length }, kept) {
  const { name, variants } = samples.models[model];
  const described = ["split", "seed", "sample", "document", "subset", "duplicates", "offset", "step"];
  const header = [...described, "model", "context_length", ...variants.map(({ variant }) => `matched ${variant}`)];
  const lines = kept.map((row) => [
    ...described.map((column) => row[column]),
    name,
    samples.lengths[length],
    ...variants.map((_, place) => samples.matched(model, place, length, row.place)),
  ]);
  return csvOf([header, ...lines].map((values) => values.map(withoutFormula)));
}

/** A value that no spreadsheet takes for a formula: such a text stands behind an apostrophe. */
function withoutFormula(value) {
  return typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}
