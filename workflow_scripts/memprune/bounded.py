"""Files that others have written, read within bounds: regular ones of some size, YAML of so many values."""

import errno
import stat
from pathlib import Path

import yaml

LARGEST = 2**20  # bytes of a file of YAML
MERGE = "tag:yaml.org,2002:merge"
MOST = 50_000  # values of one, each counted as often as an alias repeats it
DEEPEST = 50  # mappings and lists within one another


class RefusedYAML(yaml.YAMLError):
    """YAML that is well formed and not read; the message tells the line."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what readers or memories are not prepared for.

    That is a key that stands twice in one mapping, a tag, what a few lines of aliases and brackets grow to.
    """

    known_tags: tuple[str, ...] = ()

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.sizes: dict[int, int] = {}  # values in each node that is read, by its identity
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        line = place(event)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", *self.known_tags):
            named = tag.replace("tag:yaml.org,2002:", "!!")
            raise RefusedYAML(f"{line}: found the tag {named}; write the value alone, without a tag")
        self.depth += 1
        if self.depth > DEEPEST:
            raise RefusedYAML(f"{line}: found more than {DEEPEST} mappings and lists within one another")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if id(node) not in self.sizes:
            if isinstance(event, yaml.AliasEvent):
                raise RefusedYAML(f"{line}: found an alias within what it stands for; write the value")
            self.sizes[id(node)] = 1 + sum(self.sizes[id(part)] for part in parts_of(node))
        if max(self.sizes[id(node)], len(self.sizes)) > MOST:
            raise RefusedYAML(f"{line}: found more than {MOST} values, those that aliases repeat among them")
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node, seen = super().compose_mapping_node(anchor), set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.value in seen:
                raise RefusedYAML(f"{place(key)}: key {key.value} stands twice in one mapping; give it once")
            seen.add(key.value)
        return node


def place(node: yaml.Node | yaml.Event) -> str:
    """The line of a node, counted from 1."""
    return f"line {node.start_mark.line + 1}"


def parts_of(node: yaml.Node) -> list[yaml.Node]:
    """The nodes right within a node."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def read_bounded(path: str | Path) -> bytes:
    """The content of a regular file of at most `LARGEST` bytes.

    Raises OSError, whose `strerror` says what is wrong, for anything else: a pipe would be waited for, and a
    device never ends.
    """
    about = Path(path).stat()
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise OSError(errno.EINVAL, "it is no regular file")
    if about.st_size > LARGEST:
        raise OSError(errno.EFBIG, f"it has {about.st_size} bytes, allowed: at most {LARGEST}")
    return Path(path).read_bytes()
