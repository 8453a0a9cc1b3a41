"""Small tasks in the form of lm-evaluation-harness, scored by memprune, and evaluated by it alone."""

import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import yaml
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from memprune.config.evaluation import Evaluation
from memprune.corpus.extract_samples import write_table
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.texts import score_rows, text_tasks
from memprune.evaluation.variant import Variant
from memprune.metrics.tasks.task_items import measure_items
from memprune.models.manifest import Manifest
from memprune.variants.achieved import achieved, level_of

ITEMS = [
    {"question": "The word was", "answers": ["with them", "in the", "a beginning"], "gold": 0},
    {"question": "In the beginning was ", "answers": ["the word", "with", "them, and them"], "gold": 0},
    {"question": "", "answers": ["In the beginning", "word", "Ünïcode ☃"], "gold": 2},
    {"question": "ｗｏｒｄ\n\n", "answers": ["them", "them them", "the\ttab"], "gold": 1},
    {"question": "And the word", "answers": ["was", "was with", "was with them"], "gold": 1},
    {"question": "was\u00a0with", "answers": ["the", "a", "in"], "gold": 2},
]
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": "{{answers}}",
    "doc_to_target": "gold",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True}
        for name in ("acc", "acc_norm", "acc_bytes", "exact_match", "acc_mutual_info")
    ],
}
LAST_WORD = {
    "output_type": "loglikelihood",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answers[gold]}}",
    "metric_list": [
        {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
    ],
}
FEWSHOT = {"num_fewshot": 2, "training_split": "train", "fewshot_delimiter": "\n"}


def write_task(folder: Path, name: str, **config: object) -> Path:
    """A task of `ITEMS`, with the same for examples, as its two files in a folder."""
    folder.mkdir(exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    files = {"test": str(data), "train": str(data)}
    about = {"task": name, "dataset_path": "json", "test_split": "test"}
    about["dataset_kwargs"] = {"data_files": files}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(about | config, sort_keys=False))
    return path


def write_texts(prepared: tuple[pa.Table, dict], manifest: Manifest, path: Path) -> Path:
    """A prepared task as the workflow writes it."""
    table, about = prepared
    write_table(table, path, {"tokenizer": manifest.tokenizer, "task": json.dumps(about)})
    return path


def measured(manifest: Manifest, mask: Path | None, texts: list[Path], folder: Path) -> tuple[Path, Path]:
    """The scores and measures of a variant on prepared tasks, as the workflow makes them."""
    spec = Evaluation().settings
    name = "global@0.5" if mask else "dense"
    variant = Variant(
        name, manifest, [mask] if mask else [], samples=None, windows=None, spec=spec, texts=texts
    )
    scorer = Scorer(variant, "cpu", 1)
    tasks = text_tasks(variant, "tasks", "cpu", partial(score_rows, scorer, "tasks"))
    scores, measures = folder / "scores.parquet", folder / "measures.parquet"
    level, reached = level_of(name, [mask] if mask else []), achieved(manifest, [mask] if mask else [])
    write_scores(tasks, score_shards(tasks), "tiny", name, level, reached, scores)
    measure_items(scores, texts, measures)
    return scores, measures


def evaluated(folder: Path, tasks: list[str], manager: TaskManager) -> dict[str, list[dict]]:
    """What the library says of each item of some tasks, by itself, for a model in a folder."""
    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=8)
    found = simple_evaluate(model, tasks=tasks, task_manager=manager, log_samples=True, bootstrap_iters=0)
    return {task: sorted(items, key=lambda item: item["doc_id"]) for task, items in found["samples"].items()}
