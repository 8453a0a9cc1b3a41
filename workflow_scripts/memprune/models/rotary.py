"""The rotary positions that a config.json asks for, in transformers' old and new spellings.

`rope_scaling`, where it says anything, takes the place of `rope_parameters` as a whole. What stands inside
goes before the keys around it.
"""

import math

from memprune.errors import UserError
from memprune.models.architecture import Rotary
from memprune.models.family_fields import Key, RotaryKeys
from memprune.models.json_values import LEAST, choice, flag, found, number
from memprune.models.windows import FULL, SLIDING

# By type: what must be there, and what may be. `dynamic` stretches texts that are longer than the model's
# positions only. `longrope` has other frequencies for short texts than for long ones, so a forced pass over
# a text would not say how it is decoded.
TYPES = {
    "default": ((), ()),
    "linear": (("factor",), ()),
    "dynamic": (("factor",), ()),
    "llama3": (("factor", "low_freq_factor", "high_freq_factor"), ()),
    "yarn": (("factor",), ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim")),
    "proportional": ((), ("factor",)),
}
ORIGINAL = "original_max_position_embeddings"


def read_rotary(config: dict, keys: RotaryKeys | Key, head_size: int, positions: int) -> Rotary | None:
    """The rotary positions of a family with such `keys`, None where no feature turns.

    Raises UserError for a type or a width that is not supported, and for settings that are missing.
    """
    if isinstance(keys, Key):
        turned = config.get(*keys)
        if type(turned) is not int or turned % 2 or not 2 <= turned <= head_size:
            raise found(keys.name, turned, f"an even number, 2 to the {head_size} features of a head")
        return Rotary(turned, turned, 10_000.0, {"rope_type": "default"}, rounded=True)
    return rotary_of(read_settings(config), config, keys, head_size, positions)


def read_rotary_by_layer(
    config: dict, keys: RotaryKeys, head_size: int, positions: int
) -> tuple[Rotary | None, Rotary | None]:
    """The rotary positions of layers without a window, and of those with one, where they have their own.

    `rope_scaling` is of layers without, where `rope_parameters` is null. What stands around is bases alone.
    """
    stretch, settings = (read_mapping(config, key) for key in ("rope_scaling", "rope_parameters"))
    if stretch and settings:
        raise found("rope_scaling", stretch, "null beside rope_parameters")
    if unknown := sorted(set(settings) - {FULL, SLIDING}):
        raise found("rope_parameters", unknown[0], f"settings of {FULL} and {SLIDING}")
    # transformers adds the stretch to a type of its own, which an older `type` does not replace.
    full = read_mapping(settings, FULL) or {"rope_type": "default"} | stretch
    sliding = read_mapping(settings, SLIDING)
    local = keys.local_base
    around = {keys.base: config[keys.base]} if keys.base in config else {}
    own_base = {keys.base: config.get(*local) if isinstance(local, Key) else local}
    return tuple(
        rotary_of(own, outer, keys, head_size, positions)
        for own, outer in ((full, around), (sliding, own_base))
    )


def rotary_of(
    settings: dict, config: dict, keys: RotaryKeys, head_size: int, positions: int
) -> Rotary | None:
    """The rotary positions of some settings, with the `config` around them."""
    kind = choice(settings, "rope_type" if "rope_type" in settings else "type", TYPES, "default")
    base = inner_or_outer(settings, "rope_theta", config, keys.base, keys.default_base)
    share = inner_or_outer(settings, "partial_rotary_factor", config, *keys.share)
    if kind == "default" and not keys.partial:
        share = 1.0  # transformers does not look at it there
    scaling = read_scaling(config, settings, kind, positions, base)
    is_even = keys.even or kind == "yarn"
    if kind == "proportional":
        features, turned = head_size, 2 * (head_size // 2)
        scaling["pairs"] = int(share * head_size // 2)
        fits = 2 * scaling["pairs"] <= turned
    else:
        features = int(head_size * share)
        turned = 2 * math.ceil(features / 2)
        fits = turned <= head_size
    if not fits or (turned != head_size and not keys.partial) or (is_even and features % 2):
        raise found(
            "rotary positions", f"{share:g} of {head_size} features a head", widths(is_even, keys.partial)
        )
    if turned == 0:
        return None
    if kind == "dynamic":
        base *= dynamic_stretch(scaling["factor"], features, positions)
        scaling = {"rope_type": "default"}
    return Rotary(features, turned, base, scaling, keys.rounded)


def widths(is_even: bool, partial: bool) -> str:
    """What rotary positions may be as wide as, in words."""
    if not partial:
        return "all of an even number"
    return "an even number" if is_even else "as many as fit in pairs"


def read_settings(config: dict) -> dict:
    """What `rope_scaling` says, or else `rope_parameters`."""
    scaling, parameters = (read_mapping(config, key) for key in ("rope_scaling", "rope_parameters"))
    return scaling or parameters


def read_mapping(config: dict, key: str) -> dict:
    """Settings by name; none where the key is missing or null."""
    if not isinstance(config.get(key), dict | None):
        raise found(key, config[key], "null, or settings by name")
    return config.get(key) or {}


def inner_or_outer(settings: dict, inner: str, config: dict, outer: str, default: float) -> float:
    """A number from the settings, else from the keys around them."""
    least = LEAST if inner == "rope_theta" else 0.0
    if inner in settings:
        return number(settings, inner, least=least)
    if outer == "partial_rotary_factor" and config.get(outer) is None:
        return default
    return number(config, outer, default, least)


def read_scaling(config: dict, settings: dict, kind: str, positions: int, base: float) -> dict:
    """The settings of a type of rotary positions, with its name as `rope_type`."""
    needed, optional = TYPES[kind]
    scaling = {key: number(settings, key, least=LEAST) for key in needed}
    for key in optional:
        if settings.get(key) is not None:
            scaling[key] = number(settings, key)
    if kind in ("llama3", "yarn"):
        place = config if ORIGINAL in config else settings
        scaling[ORIGINAL] = number(place, ORIGINAL, float(positions), least=1)
    if kind == "yarn":
        scaling["truncate"] = flag(settings, "truncate", True)
    if kind == "yarn" and base <= 1:
        raise found("rope_theta", base, "more than 1")
    if kind == "llama3" and scaling["low_freq_factor"] >= scaling["high_freq_factor"]:
        raise UserError("config.json: low_freq_factor: must be less than high_freq_factor")
    return {"rope_type": kind, **scaling}


def dynamic_stretch(factor: float, features: int, positions: int) -> float:
    """What transformers multiplies the base by, up to the model's positions: 1 but for rounding."""
    if features == 2:
        raise found("rotary positions", "dynamic, two features", "more than two")
    return ((factor * positions / positions) - (factor - 1)) ** (features / (features - 2))
