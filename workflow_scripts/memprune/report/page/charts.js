// Charts: Vega-Lite's, fed with the rows that the reader has chosen.
function startCharts(charts, frames) {}
