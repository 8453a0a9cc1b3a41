"""The kinds of texts that a variant is scored on beside samples and perplexity windows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextKind:
    """The evidence on each scored token, as columns of lists, and the module's function that measures it."""

    columns: tuple[str, ...]
    module: str
    function: str


KINDS = {
    "membership": TextKind(
        ("log_probability", "mean", "deviation"), "memprune.scoring.moments", "with_moments"
    ),
    "concatenated": TextKind(("log_probability",), "memprune.scoring.logits", "only_log_probability"),
    "tasks": TextKind(("log_probability", "margin", "rank"), "memprune.scoring.logits", "all_evidence"),
    "perturbed": TextKind(("log_probability", "margin", "rank"), "memprune.scoring.logits", "all_evidence"),
}
