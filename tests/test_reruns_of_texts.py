"""What an edit of generated text, tasks, membership and concatenated perplexity makes stale: that alone.

Tables are asked for after each edit.
"""

import json

import pytest
import yaml
from edits import edit, evaluations, make_edits
from project import change_config, copy_project, lay_out, run

pytestmark = pytest.mark.slow

GENERATED = "workflow_scripts/memprune/metrics/generated"
TABLES = {"aggregate_tables": 1}
NEW = {"tables": 1}
KINDS = {
    "generation": {"samples": 1},
    "tasks": ["tasks/first.yaml"],
    "membership": {"share": 0.2},
    "concatenated": {"window": 32, "windows": 4},
}
# Two models, each dense and pruned at one level.
SCORED = {"score_texts": 4}
EDITS = {
    "everything asked for": (
        change_config(**KINDS),
        {"draw_samples": 1, "prepare_task": 1, "score_texts": 12, "generate": 2}
        | {"measure_generation": 2, "measure_tasks": 4, "measure_membership": 4, "measure_concatenated": 4}
        | TABLES,
        {"draw": 1, "task": 1, "membership": 4, "concatenated": 4, "tasks": 4, "generation": 8}
        | {"generation_measures": 2, "measures": 8, "membership_measures": 4}
        | NEW,
    ),
    "more samples continued": (
        change_config(generation={"samples": 3}),
        {"generate": 2, "measure_generation": 2} | TABLES,
        {"generation": 8, "generation_measures": 2} | NEW,
    ),
    "another task": (
        change_config(tasks=["tasks/first.yaml", "tasks/second.yaml"]),
        {"prepare_task": 1, "measure_tasks": 4} | SCORED | TABLES,
        {"task": 1, "tasks": 4, "measures": 4} | NEW,
    ),
    "another share of the least likely tokens": (
        change_config(membership={"share": 0.1}),
        {"measure_membership": 4} | TABLES,
        {"membership_measures": 4} | NEW,
    ),
    "a reference model named": (
        change_config(membership={"share": 0.1, "reference": "small"}),
        {"measure_membership": 4} | TABLES,
        {"membership_measures": 4} | NEW,
    ),
    "another window": (
        change_config(concatenated={"window": 16, "windows": 4}),
        {"draw_samples": 1, "measure_concatenated": 4} | SCORED | TABLES,
        {"draw": 1, "concatenated": 4, "measures": 4} | NEW,
    ),
    "a strategy's level changed": (
        change_config(strategies={"global": {"levels": [0.4]}}),
        {"compute_change": 1, "evaluate": 1, "measure": 1, "score_texts": 3, "generate": 1}
        | {"measure_generation": 1, "measure_tasks": 1, "measure_membership": 1, "measure_concatenated": 1}
        | TABLES,
        {"change": 1, "membership": 1, "concatenated": 1, "tasks": 2, "generation": 2}
        | {"generation_measures": 1, "measures": 3, "membership_measures": 1}
        | evaluations(1)
        | NEW,
    ),
    "how continuations are measured changed": (
        edit(
            "workflow_scripts/memprune/metrics/generated/measure_continuations.py",
            '"share": 0.1',
            '"share": 0.2',
        ),
        {"measure_generation": 2} | TABLES,
        {"generation_measures": 2, "tables": None},
    ),
    "how text is generated changed": (
        edit("workflow_scripts/memprune/scoring/continuations.py", "suffix - 1", "suffix"),
        {"generate": 2, "measure_generation": 2} | TABLES,
        {"generation": 8, "generation_measures": 2, "tables": None},
    ),
    "no text generated": (
        lambda folder: remove_keys(folder, "generation"),
        TABLES,
        NEW,
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory, all_forked):
    """A finished experiment of two models and one strategy, with two tasks that it does not ask for yet."""
    folder = lay_out(tmp_path_factory.mktemp("texts"))
    copy_project(folder)
    change_config(
        models={"small": {"path": "models/small"}, "large": {"path": "models/large", "levels": [0.2]}},
        strategies={"global": {"levels": [0.3]}},
    )(folder)
    (folder / "tasks").mkdir()
    for name in ("first", "second"):
        write_task(folder, name)
    run(folder, "--", "tables")
    return folder


def write_task(folder, name):
    """A task of three items with two choices each, in the form of lm-evaluation-harness."""
    items = [{"context": f"{name} {n}, and", "choices": [" one", " two"], "label": n % 2} for n in range(3)]
    (folder / f"tasks/{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    content = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"tasks/{name}.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "label",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    (folder / f"tasks/{name}.yaml").write_text(yaml.safe_dump(content))


def remove_keys(folder, *keys):
    """Take keys out of the configuration."""
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    (folder / "tiny.yaml").write_text(
        yaml.safe_dump({key: value for key, value in content.items() if key not in keys}, sort_keys=False)
    )


def test_each_edit_computes_only_what_it_concerns(project):
    make_edits(project, EDITS, {}, "--", "tables")
