"""The names of variants: `dense`, the unpruned model, and `{strategy}@{level}`.

A level is a number, or the label of a target, by which it is called though it is found later:
`global@perplexity+0.1` raises perplexity by a tenth.
"""

TARGET = "perplexity+"


def target_label(increase: float) -> str:
    """The label of the level that raises perplexity by so large a share."""
    return f"{TARGET}{increase!r}"


def increase_of(label: str) -> float:
    """By how large a share the level of a target's label raises perplexity."""
    return float(label.removeprefix(TARGET))


def parse_level(text: str) -> float | str:
    """A level as it stands in a variant's name: a number, or a target's label."""
    return text if text.startswith(TARGET) else float(text)


def level_text(level: float) -> str:
    """A number as it stands in a variant's name: `0.3`, a share; or `4`, of bits or steps."""
    return str(int(level)) if level > 1 else repr(float(level))


def level_order(level: float | str) -> tuple[bool, float]:
    """What levels are sorted by: numbers ascending, then targets ascending."""
    return (True, increase_of(level)) if isinstance(level, str) else (False, level)


def variant_name(strategy: str, level: float | str) -> str:
    """The name of a changed variant in paths: `global@0.3`, `global@perplexity+0.1`, `gptq@4`."""
    return f"{strategy}@{level if isinstance(level, str) else level_text(level)}"


def split_variant(variant: str) -> tuple[str, float | str]:
    """The strategy and level of a variant's name; ("dense", 0.0) for `dense`."""
    strategy, _, level = variant.partition("@")
    return strategy, parse_level(level or "0.0")
