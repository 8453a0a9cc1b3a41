"""The roles of a decoder block's matrices, and the groups of roles that a strategy can name."""

FUSED, FUSED_ROLES = (
    "query_key_value",
    ("query", "key", "value"),
)  # one matrix in some families, three in others
ATTENTION = (FUSED, *FUSED_ROLES, "output")
MLP = ("up", "gate", "down")
MATRIX_GROUPS = {"all": ATTENTION + MLP, "attention": ATTENTION, "mlp": MLP}
QUERY_KEY_NORMS = ("query_norm", "key_norm")  # named by what they are of
