"""Read YAML in which a value means what it looks like: PyYAML takes the last of two equal keys, 010 for 8."""

import re
from pathlib import Path

import yaml

from memprune.errors import UserError

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
NO_NAMES = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
MERGE = "tag:yaml.org,2002:merge"
PLAIN = re.compile(r"[-+]?(0|[1-9][0-9_]*|(0|[1-9][0-9_]*)?\.[0-9_]*([eE][-+]?[0-9]+)?|\.(inf|nan))", re.I)


class Misleading(yaml.YAMLError):
    """YAML that says something else than a reader sees; the message tells the line."""


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what YAML 1.1 takes for something else than it looks like."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.tag in NO_NAMES:
                raise Misleading(f"{place(key)}: key {key.value} is no text in YAML; write '{key.value}'")
            if key.value in seen:
                raise Misleading(f"{place(key)}: key {key.value} stands twice in one mapping; give it once")
            seen.add(key.value)
        return node

    def compose_scalar_node(self, anchor: str | None) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.style is None and node.tag in NUMBERS and not PLAIN.fullmatch(node.value):
            raise Misleading(
                f"{place(node)}: {node.value} is another number in YAML 1.1 than it looks like; write it in "
                "decimals, without a leading zero"
            )
        return node


def place(node: yaml.Node) -> str:
    """The line of a node, counted from 1."""
    return f"line {node.start_mark.line + 1}"


def read_yaml(path: str | Path) -> object:
    """The content of a YAML file.

    Raises UserError when it cannot be read, is not YAML, has a key twice in one mapping, or holds what YAML
    1.1 takes for something else than it looks like: 010 (8), 1:30 (90), a key `no` (false).
    """
    try:
        return yaml.load(Path(path).read_bytes(), PlainLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except Misleading as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a date in a month 13
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
