"""The attacks that are no strategies, by the names that the table `lasting` has for them."""

PERTURBED, LONGER, SAMPLED = "perturbed prefix", "longer context", "sampling"
NOT_STRATEGIES = (PERTURBED, LONGER, SAMPLED)
