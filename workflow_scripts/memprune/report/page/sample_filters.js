// Which samples a reader asks for: a form, and what of the samples it keeps in which order.

const EVERY_CHANGED = "every changed variant";

/** A choice with its label; options are `[value, words]`. */
function sampleChoice(name, label, options) {
  const entries = options.map(([value, words]) => element("option", { value }, words));
  return element("label", {}, `${label} `, element("select", { name }, ...entries));
}

/** The form, as far as there is something to choose. */
function sampleForm(samples) {
  const { rows, models, lengths } = samples;
  const distinct = (name) => [...new Set(rows.map((row) => row[name]).filter((value) => value !== null))];
  const own = (values) => values.map((value) => [value, String(value)]);
  const splits = distinct("split");
  const subsets = distinct("subset").sort();
  const counted = distinct("duplicates");
  const bound = (name, label) =>
    element("label", {}, `${label} `, element("input", { type: "number", name, min: 0, step: 1, placeholder: "any" }));
  const inTexts = samples.without_texts ? "Search in names of documents" : "Search in texts";
  const form = element(
    "form",
    { id: "sample-filters", class: "controls", "aria-label": "Which samples are shown" },
    element("label", { class: "wide" }, `${inTexts} `, element("input", { type: "search", name: "search" })),
    models.length > 1 ? sampleChoice("model", "Model", models.map(({ name }, place) => [place, name])) : null,
    lengths.length > 1 ? sampleChoice("k", "k =", lengths.map((k, place) => [place, k])) : null,
    splits.length > 1 ? sampleChoice("split", "Split", [["", "both"], ["member", "members"], ["non_member", "non-members"]]) : null,
    subsets.length > 1 ? sampleChoice("subset", "Subset", [["", "all"], ...own(subsets)]) : null,
    ...(counted.length > 1 ? [bound("fewest", "Duplicates from"), bound("most", "to")] : []),
    sampleChoice("dense", "Dense model", [["", "any"], ["yes", "extracts it"], ["no", "does not"]]),
    sampleChoice("forgotten", "Forgotten by", []),
    sampleChoice("kept", "Still extracted by", []),
    models.some(({ generated }) => generated) ? sampleChoice("near", "Near-verbatim (10 %) by", []) : null,
    sampleChoice("sort", "Sorted by", [["matched", "tokens that dense matches"], ["duplicates", "duplicates"], ["order", "their order"]]),
    element("button", { type: "reset" }, "Show all"),
  );
  if (form.elements.k) form.elements.k.value = String(lengths.length - 1);
  offerVariants(form, samples);
  return form;
}

/** Offer the variants of the model that is chosen, and keep what was chosen where it can be. */
function offerVariants(form, samples) {
  const { variants } = samples.models[chosenPlace(form, "model", 0)];
  const options = variants.map(({ variant }, place) => [place, variant]);
  const changed = options.filter(([place]) => variants[place].strategy !== "dense");
  const every = changed.length > 1 ? [[EVERY_CHANGED, EVERY_CHANGED]] : [];
  for (const [name, offered] of [["forgotten", [...every, ...changed]], ["kept", [...every, ...changed]], ["near", options]]) {
    const select = form.elements[name];
    if (!select) continue;
    const before = select.selectedOptions[0]?.textContent;
    const entries = [["", "any or none"], ...offered].map(([value, words]) => element("option", { value }, words));
    select.replaceChildren(...entries);
    const same = entries.find((entry) => entry.textContent === before);
    if (same) same.selected = true;
    select.disabled = offered.length === 0;
  }
}

/** The place that a choice names; `otherwise` where there is nothing to choose. */
function chosenPlace(form, name, otherwise) {
  return form.elements[name] ? Number(form.elements[name].value) : otherwise;
}

/**
 * The rows that the form asks for, in its order. `texts` are those of `searchableTexts`, null where there are
 * none, and `near` says for each variant and sample whether its continuation is near-verbatim.
 */
function filteredSamples(samples, asked, texts, near) {
  const { model, length } = asked;
  const { variants } = samples.models[model];
  const dense = variants.findIndex(({ strategy }) => strategy === "dense");
  const matched = (variant, row) => (variant < 0 ? null : samples.matched(model, variant, length, row.place));
  const extracts = (variant, row) => {
    const count = matched(variant, row);
    return count === null ? null : count === samples.suffix;
  };
  const changed = variants.map((_, place) => place).filter((place) => place !== dense);
  const chosen = (value) => (value === EVERY_CHANGED ? changed : [Number(value)]);
  const all = (value, expected) => (row) =>
    extracts(dense, row) === true && chosen(value).every((variant) => extracts(variant, row) === expected);
  const words = asked.search.trim().toLowerCase();
  const found = (row) => (texts ? texts[row.place] : row.document.toLowerCase()).includes(words);
  const conditions = [
    asked.split && ((row) => row.split === asked.split),
    asked.subset && ((row) => row.subset === asked.subset),
    asked.fewest && ((row) => row.duplicates !== null && row.duplicates >= Number(asked.fewest)),
    asked.most && ((row) => row.duplicates !== null && row.duplicates <= Number(asked.most)),
    asked.dense && ((row) => extracts(dense, row) === (asked.dense === "yes")),
    asked.forgotten && all(asked.forgotten, false),
    asked.kept && all(asked.kept, true),
    asked.near && ((row) => Boolean(near?.[Number(asked.near)][row.place])),
    words && found,
  ].filter(Boolean);
  const kept = samples.rows.filter((row) => conditions.every((condition) => condition(row)));
  const keys = { matched: (row) => matched(dense, row) ?? -1, duplicates: (row) => row.duplicates ?? -1 };
  const key = keys[asked.sort];
  return key ? kept.sort((a, b) => key(b) - key(a)) : kept;
}

/** What the form asks for. */
function askedOf(form, samples) {
  return {
    ...Object.fromEntries(new FormData(form)),
    model: chosenPlace(form, "model", 0),
    length: chosenPlace(form, "k", samples.lengths.length - 1),
  };
}
