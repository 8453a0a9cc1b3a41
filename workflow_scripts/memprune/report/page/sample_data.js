// What the page knows of the samples; what is large is unpacked when it is first asked for.

const unpackedSamples = new Map();

/** The content of a blob, unpacked once: bytes, or JSON. */
function unpackedOnce(name, read = contentOf) {
  if (!unpackedSamples.has(name)) unpackedSamples.set(name, read(name));
  return unpackedSamples.get(name);
}

/** The samples' rows, models with their variants, and how many tokens each variant matched of each. */
async function readSamples(index) {
  const rows = rowsOf(index.rows).map((row, place) => ({ ...row, place, id: `sample-${row.split}-${row.seed}-${row.sample}` }));
  const models = index.models.map((model) => ({ ...model, variants: rowsOf(model.variants) }));
  const bytes = await bytesOf("samples-matched");
  const counts = index.suffix <= 254 ? bytes : new Uint16Array(bytes.buffer);
  const unscored = index.suffix <= 254 ? 255 : 65535;
  let start = 0;
  const starts = models.map((model) => {
    const own = start;
    start += model.variants.length * index.lengths.length * rows.length;
    return own;
  });
  /** Tokens matched; null where nothing was scored. Everything is named by its place. */
  const matched = (model, variant, length, row) => {
    const place = starts[model] + (variant * index.lengths.length + length) * rows.length + row;
    return counts[place] === unscored ? null : counts[place];
  };
  return { ...index, rows, models, matched };
}

/** A sample's shades by one model and context length: for each variant a byte a suffix token. */
async function shadesOfSample(samples, model, length, row) {
  const shades = await unpackedOnce(`samples-shading-${model}-${length}`, bytesOf);
  const variants = samples.models[model].variants.length;
  const start = row * samples.suffix * variants;
  return samples.models[model].variants.map((_, variant) =>
    Uint8Array.from({ length: samples.suffix }, (_, token) => shades[start + token * variants + variant]),
  );
}

/** A sample's context of some length, from the parts that the page has: that of the longest comes first. */
function contextOf(texts, lengths, length, row) {
  return texts.contexts[row].slice(lengths.length - 1 - length).join("");
}

/** For each sample all its text in small letters: context, suffix, and what a model's variants wrote. */
async function searchableTexts(samples, model) {
  const texts = await unpackedOnce("samples-texts");
  if (!texts) return null;
  const written = samples.models[model].generated ? await unpackedOnce(`samples-written-${model}`) : [];
  return samples.rows.map(({ place }) => {
    const suffix = texts.suffixes[place].join("");
    const own = written.filter((variant) => variant[place]).map((variant) => {
      const [length, rest] = variant[place];
      return suffix.slice(0, length) + rest;
    });
    return [texts.contexts[place].join("") + suffix, ...new Set(own)].join("\u0000").toLowerCase();
  });
}
