// The tables of the experiment, the paper's layout first.
function startTables(tables) {}
