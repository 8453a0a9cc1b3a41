// Where every number is from, what it cost, and what the store saved.

// The store's entries behind each file of the results, known before anything is shown.
const ENTRIES = new Map();

/** Learn from which entries of the store each file is. */
function startSources(provenance) {
  for (const row of provenance ? rowsOf(provenance.files) : []) ENTRIES.set(row.file, row.entries);
}

/** A line that says which files something is from, each with its entries in the store as far as they are known. */
function sourceLine(files) {
  const parts = files.flatMap((file, index) => {
    const names = ENTRIES.get(file);
    const [first, ...others] = names ? names.split(" ") : [];
    const more = others.length ? ` and ${others.length} more` : "";
    return [index ? "; " : "From ", element("code", {}, file), ...(first ? [", store entry ", element("code", {}, shortened(first)), more] : [])];
  });
  return element("p", { class: "source quiet" }, ...parts, ".");
}

/** A name with a hash, short enough to be read and long enough to be found. */
function shortened(name) {
  return name.replace(/([0-9a-f]{12})[0-9a-f]+$/, "$1…");
}

function startProvenance(provenance) {
  const container = document.getElementById("all-provenance");
  if (!provenance) {
    container.append(element("p", {}, "Nothing was recorded of how these results were made."));
    return;
  }
  const { files, costs, saved } = provenance;
  container.append(
    ...tableWithWords("What it took", costInWords(rowsOf(costs)), {
      caption: "Time and memory by rule", columns: COST_COLUMNS, frame: costs, download: "rule_costs.csv",
      empty: "No job behind these results is on record.",
    }),
    ...tableWithWords("What the store saved", savingInWords(rowsOf(saved)), {
      caption: "Seconds saved by kind of entry", columns: SAVED_COLUMNS, frame: saved, download: "saved_seconds.csv",
      empty: "No entry of the store is on record.",
    }),
    ...tableWithWords("Files", "Every file that these numbers are from, with the hash of its content and the store's entries that it was made from.", {
      caption: "Files of the results", columns: FILE_COLUMNS, frame: files, download: "files.csv",
      empty: "No file is on record.",
    }),
  );
}

const COST_COLUMNS = [
  { name: "rule", head: true, choice: false },
  { name: "jobs" },
  { name: "unmeasured", label: "not measured" },
  { name: "seconds", label: "time", format: inTime },
  { name: "longest_seconds", label: "longest job", format: inTime },
  { name: "max_rss_mb", label: "peak memory", format: inMebibytes },
  { name: "cpu_seconds", label: "CPU time", format: inTime },
];
const SAVED_COLUMNS = [
  { name: "kind", head: true, choice: false },
  { name: "device" },
  { name: "unit", hidden: true },
  { name: "entries" },
  { name: "computed_seconds", label: "computed in", format: inTime },
  { name: "job_seconds", label: "these jobs took", format: inTime },
  { name: "saved_seconds", label: "saved", format: inTime },
];
const FILE_COLUMNS = [
  { name: "file", head: true, choice: false },
  { name: "sha256", label: "SHA-256", choice: false, cell: (hash) => element("code", {}, hash === null ? "unknown" : `${hash.slice(0, 12)}…`) },
  { name: "entries", label: "store entries", choice: false, cell: entriesCell },
  { name: "made", choice: false, format: (time) => time.replace("T", " ").replace("+00:00", " UTC") },
];

/** The first entries behind a file; the CSV names them all. */
function entriesCell(names) {
  if (names === null) return element("span", { class: "quiet" }, "unknown");
  const all = names.split(" ").filter(Boolean);
  const more = all.length > 2 ? ` and ${all.length - 2} more` : "";
  return element("span", {}, ...all.slice(0, 2).flatMap((name) => [element("code", {}, shortened(name)), " "]), more);
}

function tableWithWords(heading, words, options) {
  const here = element("div");
  makeTable(here, options);
  return [element("h3", {}, heading), element("p", {}, words), here];
}

/** What all jobs together took, in a sentence. */
function costInWords(rows) {
  const jobs = total(rows, "jobs");
  if (!jobs) return "No job behind these results is on record.";
  const unmeasured = total(rows, "unmeasured");
  if (unmeasured === jobs) return `Of the ${number(jobs)} jobs behind these results nothing was measured.`;
  const highest = rows.reduce((most, row) => (row.max_rss_mb > (most?.max_rss_mb ?? 0) ? row : most), null);
  const memory = highest ? `; the most memory was ${inMebibytes(highest.max_rss_mb)}, of ${highest.rule}` : "";
  const without = unmeasured ? ` Of ${number(unmeasured)} of them nothing was measured, so it was more than this.` : "";
  return `The ${number(jobs)} jobs behind these results took ${inTime(total(rows, "seconds"))}, one after the other${memory}.${without}`;
}

/** What the store saved, GPU seconds apart, in a sentence. */
function savingInWords(rows) {
  const known = rows.filter((row) => row.saved_seconds !== null);
  if (!known.length) return "What the store saved is unknown.";
  const gpu = known.filter((row) => row.unit === "GPU seconds");
  const others = known.filter((row) => row.unit !== "GPU seconds");
  const parts = [[gpu, " on a GPU"], [others, " elsewhere"]].filter(([own]) => own.length);
  const unknown = rows.length - known.length;
  return `The store saved ${parts.map(([own, where]) => inTime(total(own, "saved_seconds")) + (parts.length > 1 || own === gpu ? where : "")).join(" and ")}` +
    ` of computing what was computed before${unknown ? `; of ${number(unknown)} of ${number(rows.length)} kinds of entries it is unknown` : ""}.`;
}

function total(rows, name) {
  return rows.reduce((sum, row) => sum + (row[name] ?? 0), 0);
}

/** Seconds as a reader says them. */
function inTime(seconds) {
  if (seconds < 60) return `${+seconds.toPrecision(seconds < 10 ? 2 : 3)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function inMebibytes(size) {
  return size < 1024 ? `${Math.round(size)} MiB` : `${(size / 1024).toFixed(1)} GiB`;
}
