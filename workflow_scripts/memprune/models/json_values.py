"""Single values of a model's config.json, each checked: the file and key, what was found, what is allowed."""

import math
from collections.abc import Collection

from memprune.errors import UserError
from memprune.models.family_fields import Key

LARGEST = 2**31 - 1  # of a size, as PyTorch's kernels count
LEAST = 1e-6  # of what is divided by


def found(key: str, value: object, allowed: object) -> UserError:
    """The error that says what a key of config.json was found to be, and what it may be."""
    shown = repr(value)
    return UserError(
        f"config.json: {key}: found {shown if len(shown) <= 80 else shown[:77] + '...'}, allowed: {allowed}"
    )


def present(config: dict, key: str) -> object:
    """The value of a key that must be there; raises UserError if it is not."""
    if key not in config:
        raise UserError(f"config.json: no {key}")
    return config[key]


def size(config: dict, key: str, default: int | None = None) -> int:
    """A positive integer; with a `default` the key may be missing or null, as in transformers' classes."""
    if default is not None and config.get(key) is None:
        return default
    value = present(config, key)
    if type(value) is not int or not 1 <= value <= LARGEST:
        raise found(key, value, "a positive integer")
    return value


def size_said(config: dict, key: Key) -> int:
    """A positive integer, which may be missing but not null."""
    return size({key.name: config.get(*key)}, key.name)


def number(
    config: dict,
    key: str,
    default: float | None = None,
    least: float = 0.0,
    kinds: tuple[type, ...] = (int, float),
) -> float:
    """A finite number that is at least `least`, within float32's range."""
    value = present(config, key) if default is None else config.get(key, default)
    if type(value) not in kinds or not least <= value <= 1e30 or not math.isfinite(value):
        raise found(key, value, f"a number, at least {least:g}")
    return float(value)


def flag(config: dict, key: str, default: bool) -> bool:
    """True or false."""
    value = config.get(key, default)
    if type(value) is not bool:
        raise found(key, value, "true, false")
    return value


def choice(config: dict, key: str, allowed: Collection[str], default: str | None = None) -> str:
    """One of some words."""
    value = present(config, key) if default is None else config.get(key, default)
    if type(value) is not str or value not in allowed:
        raise found(key, value, ", ".join(allowed))
    return value
