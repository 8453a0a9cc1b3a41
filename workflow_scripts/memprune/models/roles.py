"""The roles of a decoder block's matrices, and the groups of roles that a strategy can name."""

ATTENTION = ("query_key_value", "query", "key", "value", "output")
MLP = ("up", "gate", "down")
MATRIX_GROUPS = {"all": ATTENTION + MLP, "attention": ATTENTION, "mlp": MLP}
