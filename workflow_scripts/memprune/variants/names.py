"""The names of variants: `dense`, the unpruned model, and `{strategy}@{level}`."""


def variant_name(strategy: str, level: float) -> str:
    """The name of a pruned variant in paths: `global@0.3`."""
    return f"{strategy}@{level!r}"


def split_variant(variant: str) -> tuple[str, float]:
    """The strategy and level of a variant's name; ("dense", 0.0) for `dense`."""
    strategy, _, level = variant.partition("@")
    return strategy, float(level or 0.0)
