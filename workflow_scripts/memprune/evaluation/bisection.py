"""The level at which perplexity rises by as much as was asked, found by bisection."""

from collections.abc import Callable

from memprune.errors import UserError

PARTS = 1000  # levels that are tried are multiples of 1 / PARTS
MOST_STEPS = 10  # until two neighbours of them are left: 2¹⁰ are more than PARTS
TOLERANCE = 0.02  # of the increase that was asked for


def find_level(increase_at: Callable[[float], float], target: float) -> float:
    """The level at which `increase_at(level)` is `target`, both shares of the dense model's perplexity.

    Of a bracket of levels, (0, 1) at first, whose lower end raises perplexity by less than the target and
    whose upper end by as much or more (at 1 nothing is left of the weights), the middle is tried and takes
    one end's place: this holds however perplexity goes with the level. The level found is the first one tried
    that is within `TOLERANCE` of the target, or else, of two ends that are neighbours, the one whose increase
    is nearer to it, the lower one of two equally near. At most `MOST_STEPS` levels are tried. Raises
    UserError when that would be 0, the dense model, or 1.
    """
    low, high = 0, PARTS
    increases = {low: 0.0}
    while high - low > 1:
        middle = (low + high) // 2
        found = increases[middle] = increase_at(middle / PARTS)
        if abs(found - target) <= TOLERANCE * target:
            return middle / PARTS
        if found < target:
            low = middle
        else:
            high = middle
    if high == PARTS:
        raise UserError(
            f"perplexity_increase: found {target!r}, but level {low / PARTS}, the highest that is tried, "
            f"raises perplexity by {increases[low]:.4g} only; ask for less"
        )
    nearer = low if target - increases[low] <= increases[high] - target else high
    if nearer == 0:
        raise UserError(
            f"perplexity_increase: found {target!r}, but level {high / PARTS}, the lowest that is tried, "
            f"raises perplexity by {increases[high]:.4g} already; ask for more"
        )
    return nearer / PARTS
