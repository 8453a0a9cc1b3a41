// A corpus's text as a reader sees it: always as text, and with what cannot be seen made visible.

// Control characters, and those that would turn or hide text; joiners stay, since emoji and scripts need them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/u;
const SAMPLE_GAPS = { "\n": "↵\n", "\t": "⇥\t" };

/** What is shown instead of a character that cannot be seen: signs that every font has. */
function sampleSymbol(character) {
  const code = character.codePointAt(0);
  if (SAMPLE_GAPS[character]) return SAMPLE_GAPS[character];
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}

/** A text as nodes: what is seen as it is, each other character as a symbol. */
function visibleText(text) {
  const nodes = [];
  let plain = "";
  for (const character of text) {
    if (!UNSEEN.test(character)) {
      plain += character;
      continue;
    }
    nodes.push(plain, element("span", { class: "unseen" }, sampleSymbol(character)));
    plain = "";
  }
  return [...nodes, plain].filter((node) => node !== "");
}

/** A text of the corpus in an element of its own, whose direction is that of its first letter. */
function corpusText(className, ...children) {
  return element("div", { class: `corpus ${className}`, dir: "auto" }, ...children);
}

/** A continuation beside the truth: what both begin with, then the first that differs, marked, and the rest. */
function comparedText(truth, [length, rest]) {
  const same = truth.slice(0, length);
  if (!rest && length === truth.length) return [element("span", { class: "same" }, ...visibleText(same))];
  if (!rest) return [...visibleText(same), element("mark", { class: "differs" }, "ends here")];
  const [first] = rest.match(/^\s*\S+/u) ?? [rest];
  const mark = element("mark", { class: "differs" }, ...visibleText(first));
  return [element("span", { class: "same" }, ...visibleText(same)), mark, ...visibleText(rest.slice(first.length))];
}

/**
 * The suffix token by token, shaded by log-probability. `tokens` are texts, or null for numbered blocks; `shades`
 * has a byte a token; `matched` is how many come before the first mismatch, which is marked.
 */
function shadedSuffix(tokens, shades, matched, scale) {
  return Array.from(shades, (byte, place) => {
    const text = tokens ? visibleText(tokens[place]) : [String(place + 1)];
    if (byte === 255) return element("span", { class: "token unscored" }, ...text);
    const shade = byte & 15;
    const greedy = (byte & 16) > 0;
    const attributes = {
      class: `token shade-${shade}${greedy ? "" : " missed"}${tokens ? "" : " block"}`,
      title: `token ${place + 1}: ${sampleNats(shade, scale)}${greedy ? ", the greedy choice" : ""}`,
    };
    return element(place === matched ? "mark" : "span", attributes, ...text);
  });
}

/** The log-probability that a shade stands for, in words. */
function sampleNats(shade, { count, lowest }) {
  const value = lowest * (1 - shade / (count - 1));
  return shade === 0 ? `${lowest} nats or less` : `about ${value.toFixed(1)} nats`;
}
