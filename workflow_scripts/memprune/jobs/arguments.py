"""The arguments of a script: on its command line, or in a file where they are too long for one.

A shell takes no command of more than 128 KiB.
"""

import argparse
import hashlib
import json
import shlex
import sys
from pathlib import Path

from memprune.disk import written_whole

FROM_FILE = "--from-file"
LONGEST = 2**14  # bytes of an option in a command, which has a few of them
FOLDER = Path(".snakemake/arguments")


def option(name: str, *values: object) -> str:
    """An option with its values as words of a shell; where they are long, the file that holds them."""
    words = [name, *map(str, values)]
    inline = shlex.join(words)
    if len(inline.encode()) <= LONGEST:
        return inline
    content = json.dumps(words)
    path = FOLDER / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    if not path.exists():
        with written_whole(path) as temporary:
            temporary.write_text(content)
    return f"{FROM_FILE} {path}"


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of this process, with those of the files that `option` made."""
    words, given = [], iter(sys.argv[1:])
    for word in given:
        words += json.loads(Path(next(given)).read_text()) if word == FROM_FILE else [word]
    return parser.parse_args(words)
