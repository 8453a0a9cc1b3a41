"""Read YAML in which a value means what it looks like: PyYAML takes 010 for 8."""

import re
from pathlib import Path

import yaml

from memprune.bounded import BoundedLoader, RefusedYAML, place, read_bounded
from memprune.errors import UserError

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
NO_NAMES = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
PLAIN = re.compile(r"[-+]?(0|[1-9][0-9_]*|(0|[1-9][0-9_]*)?\.[0-9_]*([eE][-+]?[0-9]+)?|\.(inf|nan))", re.I)


class PlainLoader(BoundedLoader):
    """A loader within bounds, which refuses what YAML 1.1 takes for something else than it looks like."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        for key, _ in node.value:
            if key.tag in NO_NAMES:
                raise RefusedYAML(f"{place(key)}: key {key.value} is no text in YAML; write '{key.value}'")
        return node

    def compose_scalar_node(self, anchor: str | None) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.style is None and node.tag in NUMBERS and not PLAIN.fullmatch(node.value):
            raise RefusedYAML(
                f"{place(node)}: {node.value} is another number in YAML 1.1 than it looks like; write it in "
                "decimals, without a leading zero"
            )
        return node


def read_yaml(path: str | Path) -> object:
    """The content of a YAML file.

    Raises UserError when it cannot be read, is not YAML or too much of it (see `memprune.bounded`), has a key
    twice in one mapping, or holds what YAML 1.1 takes for something else than it looks like: 010 (8), 1:30
    (90), a key `no` (false).
    """
    try:
        return yaml.load(read_bounded(path), PlainLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except RefusedYAML as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a date in a month 13
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
