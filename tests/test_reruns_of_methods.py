"""What an edit of methods, of chains and of the text that they are made from makes stale: that alone.

Tables are asked for after each edit.
"""

import pytest
from edits import edit, make_edits
from project import change_config, copy_project, lay_out, run

pytestmark = pytest.mark.slow

METHODS = "workflow_scripts/memprune/methods"
TABLES = {"aggregate_tables": 1}
NEW = {"tables": 1}
STRATEGIES = {
    "global": {"levels": [0.5]},
    "wanda": {"criterion": "wanda", "allocation": "row", "levels": [0.5]},
    "targeted": {"criterion": "sensitivity", "levels": [0.1]},
    "gptq": {"method": "quantize", "algorithm": "gptq", "group": 16, "levels": [4]},
    "nearest": {"method": "quantize", "group": 16, "levels": [4]},
    "svd": {"method": "low-rank", "weighting": "activations", "levels": [0.3]},
    "global-4-bit": {"method": "quantize", "after": "global@0.5", "group": 16, "levels": [4]},
    "wanda-tuned": {
        "method": "finetune",
        "after": "wanda@0.5",
        "batch": 2,
        "learning_rate": 0.01,
        "levels": [2],
    },
}
# Samples are members, non-members and fitted ones, a shard each at both context lengths.
SHARDS = 6


def computed(changes: int) -> dict[str, int]:
    """New entries of so many changes, their evaluations and measures."""
    shards = {"memorization": SHARDS * changes, "perplexity": changes}
    return {"change": changes, "measures": changes} | shards | NEW


def jobs(changes: int) -> dict[str, int]:
    """The jobs of so many changes, all of which come out otherwise."""
    return {"compute_change": changes, "evaluate": changes, "measure": changes} | TABLES


EDITS = {
    "a criterion's code changed, other weights go": (
        edit(f"{METHODS}/criteria/wanda.py", "np.sqrt(sums)", "1 / np.sqrt(sums)"),
        jobs(2),  # its own variant, and the one that stands after it
        computed(2),
    ),
    "a criterion's code rewritten, the same weights go": (
        edit(f"{METHODS}/criteria/wanda.py", "1 / np.sqrt(sums)", "1.0 / np.sqrt(sums)"),
        jobs(2),
        {"change": 1, "tables": None},  # what stands after it stands after the same
    ),
    "the code of round to nearest rewritten": (
        edit(f"{METHODS}/nearest.py", "import torch\n", "import torch\n\nUNUSED = 0\n"),
        jobs(2),
        {"change": 2, "tables": None},
    ),
    "how much other text counts": (
        change_config(strategies__targeted={"criterion": "sensitivity", "others": 3.0, "levels": [0.1]}),
        jobs(1),
        computed(1),
    ),
    "other retraining text": (
        change_config(retraining={"texts": 5, "tokens": 16}),
        {"draw_samples": 1} | jobs(1),
        {"draw": 1} | computed(1),
    ),
    "other calibration text": (
        # The retraining text must not be of its documents, so it is drawn again, too.
        change_config(calibration={"texts": 4, "tokens": 20}),
        {"draw_samples": 2, "gather_activations": 1, "gather_gradients": 1} | jobs(5),
        {"draw": 2, "activations": 1, "gradients": 1} | computed(5),
    ),
    "a level of what others stand after": (
        change_config(
            strategies__global={"levels": [0.6]},
            **{"strategies__global-4-bit": STRATEGIES["global-4-bit"] | {"after": "global@0.6"}},
        ),
        jobs(2),
        computed(2),
    ),
    "prefixes perturbed": (
        change_config(perturbed={"shares": [0.1]}),
        {"perturb_prefixes": 1, "score_texts": 9, "measure_perturbed": 9} | TABLES,
        {"perturbed_prefixes": 1, "perturbed": 9, "measures": 9} | NEW,
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory, all_forked):
    """A finished experiment of one model and strategies of all methods."""
    folder = lay_out(tmp_path_factory.mktemp("methods"))
    copy_project(folder)
    samples = {"members": 6, "fitted": 3, "non_members": 3, "context_lengths": [10, 30], "suffix": 10}
    change_config(
        models={"small": {"path": "models/small"}},
        samples=samples | {"perplexity_windows": 4, "perplexity_window": 32},
        calibration={"texts": 4, "tokens": 16},
        retraining={"texts": 4, "tokens": 16},
        strategies=STRATEGIES,
    )(folder)
    run(folder, "--", "tables")
    return folder


def test_each_edit_computes_only_what_it_concerns(project):
    make_edits(project, EDITS, {}, "--", "tables")
