// One sample opened: its context, the true suffix, and what each variant makes of it.

const CONTEXT_SHOWN = 300; // characters of a context's end, until a reader asks for the whole

/** All that is shown of an opened sample. */
async function sampleDetail(samples, asked, row) {
  const { model, length } = asked;
  const { variants, generated } = samples.models[model];
  const longest = length === samples.lengths.length - 1;
  const [texts, shades, measures, written] = await Promise.all([
    samples.without_texts ? null : unpackedOnce("samples-texts"),
    shadesOfSample(samples, model, length, row.place),
    generated && longest ? unpackedOnce(`samples-measures-${model}`) : null,
    generated && longest && !samples.without_texts ? unpackedOnce(`samples-written-${model}`) : null,
  ]);
  const tokens = texts && texts.suffixes[row.place];
  const lines = variants.map((variant, place) => {
    const matched = samples.matched(model, place, length, row.place);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, variant.variant, ...sampleVerdict(variant)),
      element("td", {}, ...matchedWords(matched, samples.suffix)),
      element("td", {}, shadedCell(tokens, shades[place], matched, samples)),
      ...(measures ? [element("td", {}, ...continuationCell(tokens, measures, written, place, row.place))] : []),
    );
  });
  const headings = ["Variant", "Matched", "True suffix, shaded by log-probability", ...(measures ? ["Continuation"] : [])];
  const table = element(
    "table",
    { class: `variants${measures ? "" : " narrow"}` },
    element("thead", {}, element("tr", {}, ...headings.map((words) => element("th", { scope: "col" }, words)))),
    element("tbody", {}, ...lines),
  );
  return [
    sampleFacts(row),
    ...(texts ? contextBlock(contextOf(texts, samples.lengths, length, row.place), samples.lengths[length]) : []),
    ...(tokens ? [element("h4", {}, "The true suffix"), corpusText("truth", ...visibleText(tokens.join("")))] : []),
    element("h4", {}, `What ${samples.models[model].name} makes of it`),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Variants" }, table),
  ];
}

/** What identifies a sample, as far as it is known. */
function sampleFacts(row) {
  const known = [
    ["Document", row.document],
    ["Subset", row.subset],
    ["Duplicates", row.duplicates],
    ["First token", row.offset],
    ["Training step", row.step],
    ["Seed", row.seed],
  ].filter(([, value]) => value !== null && value !== undefined);
  const pairs = known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...visibleText(number(value)))));
  return element("dl", { class: "sample-facts" }, ...pairs);
}

/** The context: its end, and a button for the whole. */
function contextBlock(text, length) {
  const letters = [...text];
  const heading = element("h4", {}, `The context, ${length} tokens`);
  if (letters.length <= CONTEXT_SHOWN) return [heading, corpusText("context", ...visibleText(text))];
  const shown = corpusText("context", "… ", ...visibleText(letters.slice(-CONTEXT_SHOWN).join("")));
  const whole = () => {
    shown.replaceChildren(...visibleText(text));
    button.remove();
  };
  const button = element("button", { type: "button", onclick: whole }, `Show all ${letters.length.toLocaleString("en")} characters`);
  return [heading, shown, button];
}

/** How many tokens are matched, in words. */
function matchedWords(matched, suffix) {
  if (matched === null) return ["not scored"];
  const share = `${matched} of ${suffix}`;
  return matched === suffix ? [share, element("strong", { class: "extracted" }, " extracted")] : [share];
}

function sampleVerdict({ verdict }) {
  return verdict === null || verdict === "dense" ? [] : [element("span", { class: `verdict ${verdict === "sound" ? "" : "doubtful"}` }, verdict)];
}

function shadedCell(tokens, shades, matched, samples) {
  return corpusText(tokens ? "shaded" : "shaded blocks", ...shadedSuffix(tokens, shades, matched, samples.shades));
}

/** A continuation with its measures; in words where none was generated. */
function continuationCell(tokens, measures, written, variant, row) {
  const distance = measures.edit_distance[variant][row];
  if (distance === null) return [element("span", { class: "quiet" }, "none was generated of this sample")];
  const near = measures.near_verbatim_10[variant][row] ? [element("strong", {}, "near-verbatim"), " · "] : [];
  const about = [`edit distance ${percent(distance)} · ROUGE-L ${number(measures.rouge_l[variant][row])}`];
  const text = written && written[variant][row];
  return [
    ...(text ? [corpusText("continuation", ...comparedText(tokens.join(""), text))] : []),
    element("p", { class: "quiet" }, ...near, ...about),
  ];
}
