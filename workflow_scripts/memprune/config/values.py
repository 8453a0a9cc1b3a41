"""What values of the configuration may be: numbers, names, texts and places, and lists without repeats."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

# A file's name has 255 bytes at most, of which `@{level}.memorization.parquet` and what a temporary name adds
# take up to 150.
LONGEST_NAME = 100
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line breaks of Unicode among them
GREATEST = 2**31 - 1  # of what the tables hold as int32


def no_truth_value(value: object) -> object:
    """Refuse `true` and `false`, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"found {str(value).lower()}; input should be a number")
    return value


def without_control_characters(text: str) -> str:
    """Refuse line breaks and the like: no file, column or revision that is meant has them in its name."""
    if CONTROL.search(text):
        raise ValueError(f"found {text!r}; control characters are not allowed")
    return text


def no_option(word: str) -> str:
    """Refuse a word that scripts would take for an option of theirs."""
    if word.startswith("-"):
        raise ValueError(f"found {word!r}, which looks like an option; a file of that name is ./{word}")
    return word


def expanded(place: str) -> str:
    """A place with `~` or `~user` at its start replaced by that home; variables stay as they are."""
    found = os.path.expanduser(place)
    if place.startswith("~") and found == place:
        raise ValueError(f"found {place!r}, of which no home is known; write ./{place} for a name with ~")
    return found


def without_home(text: str) -> str:
    """A path, or JSON with paths, in which `~` stands for this user's home: what others are shown."""
    home = os.path.expanduser("~")
    return re.sub(rf'(^|"){re.escape(home)}(?=[/"]|$)', r"\1~", text) if len(home) > 1 else text


def within(pattern: str) -> str:
    """Refuse a pattern that leaves its data set, or that is none."""
    parts = PurePath(pattern).parts
    if PurePath(pattern).is_absolute() or pattern.startswith("~") or ".." in parts or not parts:
        raise ValueError(f"found {pattern!r}; allowed: a path within dataset, relative to it")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"found {pattern!r}; ** stands for folders by itself only, as in **/*.parquet")
    return pattern


def without_repeats(identity: Callable = lambda value: value) -> AfterValidator:
    """A check that no two values of a list are the same, by their `identity`."""

    def check(values: list) -> list:
        seen: dict = {}
        for value in values:
            same = identity(value)
            if same in seen:
                raise ValueError(repeated(seen[same], value))
            seen[same] = value
        return values

    return AfterValidator(check)


def each_level_once(given: object) -> object:
    """Refuse a mapping with two spellings of one level for keys, of which only the last would count."""
    seen: dict = {}
    for key in given if isinstance(given, dict) else ():
        level = as_number(key)
        if level in seen:
            raise ValueError(repeated(repr(seen[level]), repr(key)))
        seen[level] = key
    return given


def as_number(key: object) -> object:
    """A key as the number that it spells; as it is if it spells none, to be refused as such."""
    with suppress(TypeError, ValueError):
        return float(key)
    return key


def task_name(task: str) -> str:
    """What a task is called: by its name, or its file's without the ending."""
    return PurePath(task).stem if task.endswith(".yaml") else task


def repeated(first: object, value: object) -> str:
    """What is said of a repeated value, which may be another spelling of the first."""
    spelt = f"found {value} twice" if first == value else f"found {first} and {value}, which are the same"
    return f"{spelt}; give each once"


Number = BeforeValidator(no_truth_value)
Count = Annotated[int, Field(ge=1, le=GREATEST), Number]
Index = Annotated[int, Field(ge=0, le=GREATEST), Number]
Seed = Annotated[int, Field(ge=0, lt=2**63), Number]
Seeds = Annotated[list[Seed], Field(min_length=1), without_repeats()]
Gigabytes = Annotated[float, Field(gt=0, le=10**6), Number]

Level = Annotated[float, Field(gt=0, le=1), Number]
Probability = Annotated[float, Field(gt=0, lt=1), Number]

Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+]*(-[A-Za-z0-9._+]+)*$", max_length=LONGEST_NAME)
]
Text = Annotated[str, Field(min_length=1), AfterValidator(without_control_characters)]
Word = Annotated[Text, AfterValidator(no_option)]
Place = Annotated[Word, AfterValidator(expanded)]
Pattern = Annotated[Text, AfterValidator(within)]
Tasks = Annotated[list[Place], Field(min_length=1), without_repeats(task_name)]
Files = Annotated[list[Place], without_repeats(os.path.realpath)]
