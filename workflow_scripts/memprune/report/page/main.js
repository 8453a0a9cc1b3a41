// From data to what is seen, in the order of the page.

startTheme();
startFilters();
const [charts, tables, samples, provenance] = await Promise.all(["charts", "tables", "samples", "provenance"].map(contentOf));
startSources(provenance);
startCharts(charts.charts, charts.frames);
startTables(tables);
await startSamples(samples);
startProvenance(provenance);
document.documentElement.dataset.ready = "true";

function startTheme() {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const show = (isDark) => {
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark));
  };
  show(dark.matches);
  dark.addEventListener("change", () => show(dark.matches));
  button.addEventListener("click", () => show(document.documentElement.dataset.theme !== "dark"));
}
