"""How many rows of hidden states the map to logits takes at one time."""

LOGIT_ROWS = 1024
