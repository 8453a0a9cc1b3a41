"""Whether a prepared task's texts fit the models of an experiment."""

from collections.abc import Sequence
from pathlib import Path

from memprune.corpus.drawn import read_drawn
from memprune.errors import UserError
from memprune.models.manifest import Manifest


def check_lengths(path: Path, manifests: Sequence[Manifest]) -> None:
    """Raise UserError when a model has too few positions for a task's longest text.

    lm-evaluation-harness would cut it; a model does not read a text's last token.
    """
    table = read_drawn(path, ["task"])
    longest = max(map(len, table["tokens"].to_pylist())) - 1
    for manifest in manifests:
        positions = manifest.architecture.positions
        if longest > positions:
            raise UserError(
                f"tasks: found {table['task'][0]}, which has a text of {longest} tokens, allowed at most the "
                f"{positions} positions of {manifest.model}"
            )
