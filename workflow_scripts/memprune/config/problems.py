"""Problems of a configuration in words: one line with the key, what was found and what is allowed."""

import difflib
from collections.abc import Callable, Sequence

from pydantic import ValidationError

LONGEST = 200  # characters of what was found
SOURCED = ("corpus", "held_out")  # of several kinds, told by their `source`


def explain(error: ValidationError, keys_at: Callable[[tuple], Sequence[str]]) -> str:
    """The first problem of a validation as one line; `keys_at(location)` gives the keys known there."""
    problems = [{**p, "msg": p["msg"][0].lower() + p["msg"][1:]} for p in error.errors(include_url=False)]
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    return " ".join(described(problem, problems, keys_at).split())


def described(problem: dict, problems: list[dict], keys_at: Callable[[tuple], Sequence[str]]) -> str:
    """A problem, one of several, in words."""
    if problem["type"] == "extra_forbidden":
        known, last = keys_at(problem["loc"]), str(problem["loc"][-1])
        key = ".".join([*visible(problem["loc"][:-1]), last])
        nearest = difflib.get_close_matches(last, known, n=1, cutoff=0.0)
        hint = f"; nearest known key: {nearest[0]}" if nearest else ""
        return f"{key}: unknown key{hint}; allowed: {', '.join(known)}"
    if is_choice(problem["loc"]):
        problem = of_nearest_kind(problem, problems)
    key = ".".join(visible(problem["loc"]))
    if problem["type"] == "missing":
        return f"{key}: missing key; required"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.source: missing key; required"
    if problem["type"] == "unknown_method":
        return f"{key}.method: found {shown(problem['input']['method'])}; {problem['msg']}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    return f"{key}: found {shown(problem['input'])}; {problem['msg']}"


def is_choice(location: tuple) -> bool:
    """Whether a problem is one of several at one key, a problem for each kind of value that it may have."""
    last = location[-1] if location else ""
    return isinstance(last, str) and "[" in last and last != "[key]"


def of_nearest_kind(problem: dict, problems: list[dict]) -> dict:
    """Of the problems that one key has, one for each kind of value, the kind that was meant.

    It is the one that was read farthest; if there is no such, what is allowed is what any of them allows.
    """
    key = visible(problem["loc"])
    own = [p for p in problems if visible(p["loc"])[: len(key)] == key]
    farthest = max(own, key=lambda p: (len(visible(p["loc"])), p["type"] == "value_error"))
    if len(visible(farthest["loc"])) > len(key) or farthest["type"] == "value_error":
        return farthest
    return {**problem, "msg": ", or ".join(dict.fromkeys(p["msg"] for p in own))}


def visible(location: tuple[str | int, ...]) -> list[str]:
    """The keys and indices of a problem's location, without pydantic's names of kinds of values."""
    kind = 1 if location[:1] and location[0] in SOURCED else None
    return [str(part) for place, part in enumerate(location) if place != kind and "[" not in str(part)]


def shown(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, a deep nesting
        text = f"{type(value).__name__}, too long to show"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
