"""What an experiment's samples will be able to show, told before any is scored."""

from memprune.config.experiment import Config
from memprune.findings.power import POWER, smallest_drop


def detectable(config: Config) -> str:
    """The smallest drop of the share of extracted members that the tests against dense can show, in words."""
    members = config.samples.members
    pruned = sum(len(config.variants(model)) - 1 for model in config.models)
    tests = pruned * len(config.samples.context_lengths)
    alone, corrected = smallest_drop(members), smallest_drop(members, max(tests, 1))
    if alone is None:
        return f"{members:,} members are too few to show any drop, even if pruning forgets all of them."
    together = f"{100 * corrected:.2g}" if corrected else "none"
    return (
        f"{members:,} members show a drop of {100 * alone:.2g} percentage points (one test) or {together} "
        f"(after Holm over\n{tests:,} tests), with a power of {100 * POWER:.0f} %, if none is gained."
    )
