"""The colours of series, that colour-blind readers can tell apart."""

# Okabe and Ito's palette, black kept for the dense model.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
