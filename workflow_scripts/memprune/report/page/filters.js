// What the reader has chosen to see: models, strategies and a context length, for all charts and tables.

const shown = { models: new Set(), strategies: new Set(), k: null };
const listeners = [];

/** Call `listener` now and whenever the reader chooses anew. */
function onFilter(listener) {
  listeners.push(listener);
  listener();
}

/**
 * Whether a row is of what the reader has chosen, as far as it has the columns; dense is always shown.
 * `anyK`: whatever its context length.
 */
function isShown(row, anyK = false) {
  const strategy = row.strategy;
  return (
    (row.model === undefined || shown.models.has(row.model)) &&
    (strategy === undefined || strategy === "dense" || shown.strategies.has(strategy)) &&
    (anyK || row.context_length === undefined || row.context_length === null || row.context_length === shown.k)
  );
}

function readFilters() {
  const form = document.getElementById("filters");
  const checked = (name) => new Set([...form.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value));
  shown.models = checked("model");
  shown.strategies = checked("strategy");
  shown.k = Number(form.elements.k.value);
  const all = form.querySelectorAll("input[name=strategy]").length;
  document.getElementById("filtered").textContent =
    `${shown.models.size} models, ${shown.strategies.size} of ${all} strategies, k = ${shown.k}`;
}

function startFilters() {
  const form = document.getElementById("filters");
  const changed = () => {
    readFilters();
    listeners.forEach((listener) => listener());
  };
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of form.querySelectorAll("button[data-all], button[data-none]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.all ?? button.dataset.none;
      form.querySelectorAll(`input[name=${name}]`).forEach((box) => (box.checked = "all" in button.dataset));
      changed();
    });
  }
  readFilters();
}
