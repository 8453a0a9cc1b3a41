// The samples: which texts a model reproduces, and what became of them in each variant.

const UNSCORED = 65535;
const GREEDY = 16;
const UNKNOWN = 255;
const PAGE = 25;

/** Fill the section; `index` is the blob `samples`, null if nothing was scored. */
function startSamples(index) {
  const place = document.getElementById("all-samples");
  if (!index) {
    place.append(element("p", {}, "No sample was scored, so there is nothing to look at: results/…/scores has no evidence."));
    return;
  }
  const samples = rowsOf(index.samples).map((row, at) => ({ ...row, at }));
  const state = { index, samples, texts: null, matched: new Map(), tokens: new Map(), continued: new Map(), page: 0 };
  const form = sampleFilters(index, samples);
  const count = element("output", { role: "status", "aria-live": "polite" });
  const list = element("div", { class: "sample-list" });
  const pages = element("nav", { class: "controls pages", "aria-label": "Pages of samples" });
  const save = element("button", { type: "button", onclick: () => saveSamples(state) }, "Download CSV");
  place.append(sampleWords(index), form, element("p", { class: "controls" }, count, " ", save), sampleLegend(index), list, pages);

  const update = async () => {
    const asked = readSampleFilters(form, index);
    await loadModel(state, asked.model);
    if (asked.search || !state.index.no_texts) await loadTexts(state);
    if (asked.near || asked.search) await loadContinuations(state, asked.model);
    state.asked = asked;
    state.found = samples.filter((sample) => isWanted(state, sample)).sort(sampleOrder(state));
    state.page = 0;
    fillVariants(form, index, asked);
    count.textContent = `${state.found.length} of ${samples.length} samples`;
    showSamplePage(state, list, pages);
  };
  let latest = Promise.resolve();
  const changed = () => (latest = latest.then(update));
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  const once = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    once.disconnect();
    changed();
  }, { rootMargin: "600px" });
  once.observe(place);
  addEventListener("hashchange", () => openLinked(state, form, changed));
  addEventListener("beforeprint", changed, { once: true });
  if (location.hash.startsWith("#sample-")) changed().then(() => openLinked(state, form, changed));
}

/** What is shown, and what is not, in words. */
function sampleWords(index) {
  const count = index.samples.values[0].length;
  const all = count === index.total ? `All ${count} samples.` : `${count} of ${index.total} samples: those of which a variant reproduces most.`;
  const texts = index.no_texts ? ` Their texts are not here (${index.no_texts}), so each token is a numbered block.` : "";
  return element("p", {},
    `${all}${texts} A sample is a context and the ${index.suffix} tokens that follow it in the corpus, its true suffix. ` +
    "A variant extracts it when greedy decoding gives back the whole suffix. Up to the first mismatch, what a variant writes is the true suffix itself; " +
    "what it writes from there is shown where a continuation was generated. Shading says how likely a variant finds each true token after the true ones before it.");
}

function sampleLegend(index) {
  const shades = [0, 1, 3, 6, 10, 15].map((level) => {
    const share = Math.exp(-level / index.per_nat);
    const words = level === 0 ? "1" : level === 15 ? "less" : String(Number(share.toPrecision(1)));
    return shaded(element("span", { class: "token greedy" }, ` ${words} `), level, index.per_nat);
  });
  return element("p", { class: "legend" }, "Probability of a token: ", ...shades, " ",
    element("span", { class: "token" }, "dotted"), " is not the greedy choice, ", element("mark", {}, "marked"), " the first mismatch.");
}

/** An element with the shading of a level of log-probability: the square root of the probability. */
function shaded(made, level, perNat) {
  made.style.setProperty("--p", Math.exp(-level / perNat / 2).toFixed(3));
  return made;
}

function choice(name, label, options, chosen) {
  const select = element("select", { name }, ...options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
  return element("label", {}, `${label} `, select);
}

function sampleFilters(index, samples) {
  const strata = (name) => [...new Set(samples.map((sample) => sample[name]))].sort((a, b) => (a > b ? 1 : -1));
  const named = (values) => values.map((value) => [value === null ? "" : String(value), value === null ? "unknown" : String(value)]);
  const lengths = index.context_lengths;
  return element("form", { class: "controls sample-filters", "aria-label": "Which samples" },
    index.no_texts ? null : element("label", {}, "Search texts ", element("input", { type: "search", name: "search" })),
    choice("model", "Model", index.models.map((model, at) => [String(at), model.name]), "0"),
    choice("k", "k", lengths.map((length, at) => [String(at), String(length)]), String(lengths.length - 1)),
    choice("split", "Split", [["any", "any"], ...named(strata("split"))], "any"),
    choice("subset", "Subset", [["any", "any"], ...named(strata("subset"))], "any"),
    choice("duplicates", "Duplicates", [["any", "any"], ...named(strata("duplicates"))], "any"),
    choice("dense", "Dense model", [["any", "any"], ["yes", "reproduces it"], ["no", "does not"]], "any"),
    choice("forgotten", "Forgotten by", [["any", "any"]], "any"),
    choice("extracted", "Still extracted by", [["any", "any"]], "any"),
    index.no_texts ? null : element("label", {}, element("input", { type: "checkbox", name: "near" }), " near-verbatim by some variant"),
    choice("order", "Order", [["dense", "reproduced most by dense"], ["lost", "forgotten by most"], ["duplicates", "most duplicates"], ["sample", "as drawn"]], "dense"));
}

function readSampleFilters(form, index) {
  const value = (name) => form.elements[name]?.value ?? "";
  return {
    search: value("search").toLowerCase(), model: Number(value("model")), k: Number(value("k")),
    split: value("split"), subset: value("subset"), duplicates: value("duplicates"), dense: value("dense"),
    forgotten: value("forgotten"), extracted: value("extracted"), near: form.elements.near?.checked ?? false, order: value("order"),
  };
}

/** The choices of variants are those of the chosen model. */
function fillVariants(form, index, asked) {
  for (const name of ["forgotten", "extracted"]) {
    const select = form.elements[name];
    if (select.dataset.model === String(asked.model)) continue;
    const variants = index.models[asked.model].variants.map((variant, at) => [String(at), variant.name]);
    const options = [["any", "any"], ...variants.filter(([, text]) => name === "extracted" || text !== "dense")];
    select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    select.dataset.model = String(asked.model);
  }
}

async function loadModel(state, model) {
  if (state.matched.has(model)) return;
  const bytes = await bytesOf(`matched-${model}`);
  state.matched.set(model, new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2));
}

async function loadTexts(state) {
  if (state.texts || state.index.no_texts) return;
  state.texts = await contentOf("texts");
}

async function loadContinuations(state, model) {
  if (state.continued.has(model)) return;
  const found = await contentOf(`continuations-${model}`);
  const bySample = new Map();
  found?.sample.forEach((sample, at) => {
    if (!bySample.has(sample)) bySample.set(sample, new Map());
    bySample.get(sample).set(found.variant[at], { text: found.text[at], near: found.near_verbatim[at] });
  });
  state.continued.set(model, bySample);
}

async function loadTokens(state, model, k) {
  const name = `tokens-${model}-${k}`;
  if (!state.tokens.has(name)) state.tokens.set(name, await bytesOf(name));
  return state.tokens.get(name);
}

/** How many tokens a variant (its place) reproduces of a sample, null where it was not scored. */
function matchedBy(state, variant, sample, { model, k } = state.asked) {
  const lengths = state.index.context_lengths.length;
  const count = state.matched.get(model)[(variant * lengths + k) * state.samples.length + sample.at];
  return count === UNSCORED ? null : count;
}

const isExtracted = (state, variant, sample) => matchedBy(state, variant, sample) === state.index.suffix;

function isWanted(state, sample) {
  const { asked } = state;
  const is = (name) => asked[name] === "any" || asked[name] === String(sample[name] ?? "");
  if (!is("split") || !is("subset") || !is("duplicates")) return false;
  const dense = isExtracted(state, 0, sample);
  if (asked.dense !== "any" && dense !== (asked.dense === "yes")) return false;
  if (asked.forgotten !== "any" && (!dense || isExtracted(state, Number(asked.forgotten), sample))) return false;
  if (asked.extracted !== "any" && !isExtracted(state, Number(asked.extracted), sample)) return false;
  const written = [...(state.continued.get(asked.model)?.get(sample.at)?.values() ?? [])];
  if (asked.near && !written.some((own) => own.near)) return false;
  if (!asked.search) return true;
  const texts = [state.texts.context[sample.at], state.texts.pieces[sample.at].join(""), ...written.map((own) => own.text)];
  return texts.some((text) => text.toLowerCase().includes(asked.search));
}

function sampleOrder(state) {
  const order = state.asked.order;
  const lost = (sample) => (isExtracted(state, 0, sample) ? variantsOf(state).filter((_, at) => !isExtracted(state, at, sample)).length : -1);
  const keys = { dense: (s) => matchedBy(state, 0, s) ?? -1, lost, duplicates: (s) => s.duplicates ?? -1, sample: () => 0 };
  const key = new Map(state.samples.map((sample) => [sample, keys[order](sample)]));
  return (a, b) => key.get(b) - key.get(a) || a.at - b.at;
}

const variantsOf = (state) => state.index.models[state.asked.model].variants;

function showSamplePage(state, list, pages) {
  const last = Math.max(0, Math.ceil(state.found.length / PAGE) - 1);
  const turn = (to) => () => {
    state.page = to;
    showSamplePage(state, list, pages);
    list.scrollIntoView({ block: "start" });
  };
  list.replaceChildren(...state.found.slice(state.page * PAGE, (state.page + 1) * PAGE).map((sample) => sampleRow(state, sample)));
  if (!state.found.length) list.append(element("p", {}, "No sample is as these filters ask."));
  pages.replaceChildren(
    element("button", { type: "button", disabled: state.page === 0, onclick: turn(state.page - 1) }, "Previous"),
    ` Page ${state.page + 1} of ${last + 1} `,
    element("button", { type: "button", disabled: state.page === last, onclick: turn(state.page + 1) }, "Next"));
}

const sampleName = (sample) => `${sample.split === "member" ? "member" : "non-member"} ${sample.seed}-${sample.sample}`;
const sampleId = (sample) => `sample-${sample.split}-${sample.seed}-${sample.sample}`;

function sampleRow(state, sample) {
  const variants = variantsOf(state);
  const pruned = variants.length - 1;
  const still = variants.filter((_, at) => at > 0 && isExtracted(state, at, sample)).length;
  const dense = matchedBy(state, 0, sample);
  const said = dense === null ? "not scored" : isExtracted(state, 0, sample) ? "dense extracts it" : `dense reproduces ${dense} of ${state.index.suffix} tokens`;
  const cells = variants.map((variant, at) => {
    const cell = element("span", { class: isExtracted(state, at, sample) ? "cell whole" : "cell", title: variant.name });
    cell.style.setProperty("--share", String((matchedBy(state, at, sample) ?? 0) / state.index.suffix));
    return cell;
  });
  const about = [sample.subset ?? "subset unknown", sample.duplicates === null ? "duplicates unknown" : `${sample.duplicates} duplicates`];
  const first = state.texts && element("span", { class: "first text", dir: "auto" }, visible(state.texts.pieces[sample.at].join("").slice(0, 90)));
  const summary = element("summary", {},
    element("strong", {}, sampleName(sample)), element("span", { class: "quiet" }, ` ${about.join(" · ")} · ${said}, ${still} of ${pruned} pruned variants do `),
    element("span", { class: "cells", "aria-hidden": "true" }, ...cells), first || null);
  const details = element("details", { class: "sample", id: sampleId(sample) }, summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) sampleDetail(state, sample, state.asked).then((detail) => details.append(detail));
  });
  return details;
}

async function sampleDetail(state, sample, asked) {
  const codes = await loadTokens(state, asked.model, asked.k);
  await loadContinuations(state, asked.model);
  const { suffix, models, context_lengths: lengths } = state.index;
  const variants = models[asked.model].variants;
  const pieces = state.texts ? state.texts.pieces[sample.at] : Array.from({ length: suffix }, (_, token) => `${token + 1} `);
  const written = asked.k === lengths.length - 1 ? state.continued.get(asked.model).get(sample.at) : undefined;
  const body = element("tbody", {}, ...variants.map((variant, at) => {
    const own = codes.subarray((sample.at * variants.length + at) * suffix, (sample.at * variants.length + at + 1) * suffix);
    return variantRow(variant, own, pieces, matchedBy(state, at, sample, asked), written?.get(at), state.index.per_nat);
  }));
  const head = element("thead", {}, element("tr", {}, ...["Variant", "Matched", "The true suffix as the variant sees it, and what it writes"].map((name) => element("th", { scope: "col" }, name))));
  const table = element("table", { class: "variants" }, element("caption", {}, `${models[asked.model].name}, k = ${lengths[asked.k]}`), head, body);
  return element("div", {}, state.texts ? contextOf(state, sample, asked) : null,
    state.texts ? element("h4", {}, "True suffix") : null,
    state.texts ? element("p", { class: "text", dir: "auto" }, visible(pieces.join(""))) : null,
    element("p", { class: "quiet" }, `Document ${sample.document}. `, element("a", { href: `#${sampleId(sample)}` }, "Link to this sample"),
      state.texts && !written ? ". No continuation was generated from this context." : "."),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Variants on ${sampleName(sample)}` }, table));
}

/** The context of the chosen length; a long one begins where it says. */
function contextOf(state, sample, asked) {
  const whole = state.texts.context[sample.at];
  const text = whole.slice(Math.max(0, whole.length - state.texts.tails[sample.at][asked.k]));
  const shownText = element("p", { class: "text context", dir: "auto" }, visible(text));
  return element("div", {}, element("h4", {}, `Context, ${state.index.context_lengths[asked.k]} tokens`),
    element("div", { class: "scroll-down", tabindex: "0", role: "region", "aria-label": "Context" }, shownText));
}

function variantRow(variant, codes, pieces, matched, written, perNat) {
  const extracted = matched === pieces.length;
  const verdict = ["dense", "sound"].includes(variant.verdict) ? null : element("span", { class: "verdict" }, ` ${variant.verdict}`);
  const words = matched === null ? "not scored" : extracted ? `all ${pieces.length}` : `${matched} of ${pieces.length}`;
  const seen = matched === null ? [] : pieces.map((piece, at) => tokenOf(piece, codes[at], at === matched, perNat));
  const cell = element("td", {}, element("p", { class: "text", dir: "auto" }, ...seen));
  if (written) cell.append(element("p", { class: "text writes", dir: "auto" }, element("span", { class: "quiet" }, "writes: "), ...againstTrue(written.text, pieces.join(""))));
  return element("tr", { class: extracted ? "extracted" : null },
    element("th", { scope: "row" }, variant.name, verdict), element("td", {}, words), cell);
}

function tokenOf(piece, code, isFirstMismatch, perNat) {
  if (code === UNKNOWN) return visible(piece);
  const token = element(isFirstMismatch ? "mark" : "span", { class: code & GREEDY ? "token greedy" : "token" }, visible(piece));
  return shaded(token, code & 15, perNat);
}

/** What was written, the first difference from the true text marked. */
function againstTrue(text, truth) {
  const letters = [...text], expected = [...truth];
  let same = 0;
  while (same < letters.length && same < expected.length && letters[same] === expected[same]) same += 1;
  if (same === letters.length && same === expected.length) return [visible(text), element("span", { class: "quiet" }, " (the true suffix)")];
  const differs = letters[same] === undefined ? "∎" : letters[same];
  return [visible(letters.slice(0, same).join("")), element("mark", {}, visible(differs)), visible(letters.slice(same + 1).join(""))];
}

/** A text whose control characters can be seen, and turn nothing around. */
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (letter) => {
    if (letter === "\n") return "↵\n";
    if (letter === "\t") return "⇥\t";
    const code = letter.charCodeAt(0);
    return code < 32 ? String.fromCharCode(0x2400 + code) : code === 127 ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

function saveSamples(state) {
  if (!state.found) return;
  const about = ["split", "seed", "sample", "document", "subset", "duplicates"];
  const { models, context_lengths: lengths } = state.index;
  const variants = variantsOf(state);
  const header = [...about, "model", "context_length", ...variants.map((variant) => `matched ${variant.name}`)];
  const rows = state.found.map((sample) => [...about.map((name) => sample[name]), models[state.asked.model].name, lengths[state.asked.k],
    ...variants.map((_, at) => matchedBy(state, at, sample))]);
  download("samples.csv", csvOf(header, rows));
}

async function openLinked(state, form, changed) {
  const sample = state.samples.find((own) => location.hash === `#${sampleId(own)}`);
  if (!sample) return;
  if (!state.found) await changed();
  if (!document.getElementById(sampleId(sample))) {
    form.reset();
    await changed();
    state.page = Math.floor(state.found.indexOf(sample) / PAGE);
    showSamplePage(state, document.querySelector(".sample-list"), document.querySelector(".pages"));
  }
  const details = document.getElementById(sampleId(sample));
  details.open = true;
  details.scrollIntoView();
}
