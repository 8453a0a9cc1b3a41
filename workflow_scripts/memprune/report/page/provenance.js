// Where every number is from, what it cost, and what the store saved.
function startProvenance(provenance) {}
