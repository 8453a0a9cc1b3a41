"""What of a scope is pruned: how weights are ranked, and where the sparsity holds."""

from dataclasses import dataclass

from memprune.variants.regions import Region
from memprune.variants.scope import Scope

ALLOCATIONS = {"row": "rows", "owl": "owl"}  # those with a module of their own
WHOLE = ("heads", "neurons", "layers")  # patterns: structures that go as one


@dataclass(frozen=True, kw_only=True)
class Selection(Scope):
    """All that a strategy's masks depend on beside the level."""

    allocation: str = "global"  # where the sparsity holds: see `memprune.methods.prune`
    criterion: str = "magnitude"  # what ranks the weights: a module of `memprune.methods.criteria`
    pattern: str | None = None  # what goes together: None for single weights, see `memprune.methods.prune`
    seed: int | None = None  # of the criterion random
    others: float | None = None  # of the criterion sensitivity: the weight of other text

    @property
    def module(self) -> str:
        """The module of `memprune.methods` that selects what goes, by its function `drop`."""
        if self.pattern in WHOLE:
            return "memprune.methods.structures"
        if self.pattern is not None:
            return "memprune.methods.groups"
        return f"memprune.methods.{ALLOCATIONS.get(self.allocation, 'pooled')}"


def n_of_m(pattern: str) -> tuple[int, int]:
    """How many weights of how many a pattern n:m keeps."""
    kept, size = map(int, pattern.split(":"))
    return kept, size


def group_regions(regions: list[Region], allocation: str) -> list[list[Region]]:
    """The groups within which the sparsity holds: each region of a matrix, each layer, or all together."""
    groups: dict[object, list[Region]] = {}
    for region in regions:
        key = {"matrix": region, "layer": region.matrix.layer, "global": "all"}[allocation]
        groups.setdefault(key, []).append(region)
    return list(groups.values())
