"""A strategy of any method, told by its `method`; without that it prunes."""

from typing import Annotated

from pydantic import Discriminator, Tag

from memprune.config.strategies.any_strategy import AnyStrategy
from memprune.config.strategies.checkpoint_strategy import CheckpointStrategy
from memprune.config.strategies.finetune_strategy import FinetuneStrategy
from memprune.config.strategies.low_rank_strategy import LowRankStrategy
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.config.strategies.quantize_strategy import QuantizeStrategy

# By names that are no key of the configuration, for their brackets: see `memprune.config.problems`.
METHODS: dict[str, type[AnyStrategy]] = {
    "[prune]": PruneStrategy,
    "[quantize]": QuantizeStrategy,
    "[low-rank]": LowRankStrategy,
    "[finetune]": FinetuneStrategy,
    "[checkpoint]": CheckpointStrategy,
}


def method_of(value: object) -> str:
    """The tag of the method that is meant by a mapping."""
    method = value.get("method", "prune") if isinstance(value, dict) else getattr(value, "method", "prune")
    return f"[{method}]"


Strategy = Annotated[
    Annotated[PruneStrategy, Tag("[prune]")]
    | Annotated[QuantizeStrategy, Tag("[quantize]")]
    | Annotated[LowRankStrategy, Tag("[low-rank]")]
    | Annotated[FinetuneStrategy, Tag("[finetune]")]
    | Annotated[CheckpointStrategy, Tag("[checkpoint]")],
    Discriminator(
        method_of,
        custom_error_type="unknown_method",
        custom_error_message=f"Allowed: {', '.join(tag.strip('[]') for tag in METHODS)}",
    ),
]
