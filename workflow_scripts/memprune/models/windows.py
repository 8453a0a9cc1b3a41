"""How many tokens each layer sees, as a config.json says it."""

from itertools import chain, islice, repeat
from operator import index

from memprune.models.family_fields import WindowKeys
from memprune.models.json_values import flag, found, size, size_said

FULL, SLIDING = "full_attention", "sliding_attention"
GLOBAL, LOCAL = "global", "local"


def read_windows(config: dict, keys: WindowKeys, layers: int) -> list[int | None]:
    """Of each layer how many tokens one sees, itself included; None: all before it.

    Raises UserError for kinds of layers that are not known, or of which there are not as many as layers.
    """
    if keys.kinds:
        words, local = kinds_of(config, keys, layers), LOCAL
    elif config.get("layer_types") is not None:
        words, local = types_of(config, layers), SLIDING
    elif keys.full_every:
        every = keys.full_every if isinstance(keys.full_every, int) else size_said(config, keys.full_every)
        words, local = [FULL if number % every == 0 else SLIDING for number in range(1, layers + 1)], SLIDING
    else:
        first = size(config, *keys.first) if keys.first else 0
        words, local = [FULL if number < first else SLIDING for number in range(layers)], SLIDING
    window = read_window(config, keys)
    if window is None and config.get("layer_types") is not None and SLIDING in words:
        raise found("layer_types", config["layer_types"], f"{FULL} alone, without a window")
    return [window if word == local else None for word in words]


def read_window(config: dict, keys: WindowKeys) -> int | None:
    """How many tokens a layer with a window sees; None: all."""
    if keys.switch and not flag(config, *keys.switch):
        return None
    if config.get(*keys.size) is None and not keys.full_every:
        return None
    return size_said(config, keys.size)


def types_of(config: dict, layers: int) -> list[str]:
    """The word of each layer in `layer_types`."""
    words = config["layer_types"]
    if type(words) is not list or len(words) != layers or any(word not in (FULL, SLIDING) for word in words):
        raise found("layer_types", words, f"{FULL} or {SLIDING}, one for each of {layers} layers")
    return words


def kinds_of(config: dict, keys: WindowKeys, layers: int) -> list[str]:
    """The word of each layer: spelled out, or of lists of words with how often each of them is repeated."""
    key = keys.spelled_out if keys.spelled_out in config else keys.kinds.name
    given = config.get(key, keys.kinds.default)
    try:
        words = given if key == keys.spelled_out else repeated(given, layers + 1)
        known = len(words) == layers and all(word in (GLOBAL, LOCAL) for word in words)
    except (TypeError, ValueError):
        known = False
    if not known:
        raise found(key, given, f"{GLOBAL} and {LOCAL}, {layers} layers together")
    return words


def repeated(given: list, most: int) -> list:
    """The words of lists, each as often as stands beside it: the first `most`, whatever stands there."""
    lists = (repeat(own, min(index(times), most)) for own, times in given)
    return list(islice(chain.from_iterable(chain.from_iterable(lists)), most))
