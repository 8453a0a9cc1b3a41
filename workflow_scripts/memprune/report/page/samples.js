// The samples: what each variant makes of them.
function startSamples(samples) {}
