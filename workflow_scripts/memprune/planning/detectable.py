"""What an experiment's samples will be able to show, told before any is scored."""

from memprune.config.experiment import Config
from memprune.findings.kinds_of_set import KNOWN
from memprune.findings.power import POWER, smallest_drop


def detectable(config: Config) -> str:
    """The smallest drop of the share of extracted members that the tests against dense can show, in words."""
    members, known = config.samples.members, config.kind_of_set == KNOWN
    called = f"{members:,} {'known sequences, if there are so many,' if known else 'members'}"
    pruned = sum(len(config.variants(model)) - 1 for model in config.models)
    tests = pruned * len(config.samples.context_lengths)
    alone, corrected = smallest_drop(members), smallest_drop(members, max(tests, 1))
    if alone is None:
        return f"{called} are too few to show any drop, even if pruning forgets all of them."
    together = f"{100 * corrected:.2g}" if corrected else "none"
    return (
        f"{called} show a drop of {100 * alone:.2g} percentage points (one test) or {together} "
        f"(after Holm over\n{tests:,} tests), with a power of {100 * POWER:.0f} %, if none is gained."
    )
