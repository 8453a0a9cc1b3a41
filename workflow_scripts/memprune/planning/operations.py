"""How many operations scoring takes: two for each weight and token, and attention's."""

from memprune.planning.sizes import ModelSize


def scoring_operations(size: ModelSize, tokens: int, scored: int) -> float:
    """Floating-point operations of a forced pass over one text of `tokens` tokens, the last `scored` scored.

    Each weight of a block is multiplied and added once a token, attention pays half of its square, and the
    head sees the scored tokens only; so do the attention's output and the MLP of the last layer.
    """
    a = size.architecture
    passed = tokens - 1  # the last token is only predicted
    queries, keys = a.heads * a.head_size, a.key_heads * a.head_size
    skipped = (passed - scored) * (size.layer_weights - a.hidden * (queries + 2 * keys))
    head = size.vocabulary * a.hidden * scored
    attention = a.layers * passed**2 * queries
    return 2 * (a.layers * size.layer_weights * passed - skipped + head + attention)
