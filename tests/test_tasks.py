"""Tasks of lm-evaluation-harness: its answers item by item, its tokens, and what is refused in one line."""

import copy
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from experiments import EMBEDDED
from harness_tasks import CHOICE, FEWSHOT, ITEMS, LAST_WORD, evaluated, measured, write_task, write_texts
from hub_server import commit_of
from lm_eval.api import task
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from project import ROOT
from tiny_models import tiny_model, tiny_tokenizer, write_mask_of
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM

from memprune.config.experiment import Config, check
from memprune.corpus import prepare_task as module
from memprune.corpus.prepare_task import FOLDER, prepare_named, prepare_own
from memprune.corpus.request_tokens import request_tokens
from memprune.corpus.task_code import forbid_code
from memprune.corpus.task_files import read_task_file
from memprune.corpus.task_lengths import check_lengths
from memprune.errors import UserError
from memprune.exports.export_variant import export_variant
from memprune.methods.selection import Selection
from memprune.models.resolve_model import resolve_model
from memprune.models.roles import MATRIX_GROUPS
from memprune.models.tokenization import load_tokenizer
from memprune.planning import params, paths
from memprune.planning.inputs import check_tasks

GLOBAL = Selection(roles=MATRIX_GROUPS["all"], layers="all")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """What the library itself makes of data sets is not kept."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def check_items(manifest, mask: Path, texts: list[Path], tasks: list[str], manager, folder: Path) -> dict:
    """The library by itself on the exported model says the same of each item; its samples by task."""
    scores, measures = measured(manifest, mask, texts, folder)
    (folder / "export").mkdir()
    export_variant(manifest, [mask], folder / "export")
    expected = evaluated(folder / "export", tasks, manager)
    scored, found = pq.read_table(scores).to_pylist(), pq.read_table(measures).to_pylist()
    answers = {name: [] for name in expected}
    for row in scored:
        answers[row["task"]].append((sum(row["log_probability"]), max(row["rank"]) == 0))
    for name, items in expected.items():
        theirs = [response for item in items for response in item["filtered_resps"]]
        np.testing.assert_allclose([a[0] for a in answers[name]], [r[0] for r in theirs], rtol=0, atol=1e-4)
        assert [a[1] for a in answers[name]] == [r[1] for r in theirs]
        ours = [row for row in found if row["task"] == name]
        assert [row["item"] for row in ours] == [item["doc_id"] for item in items]
        for metric in items[0]["metrics"]:
            tolerance = 1e-4 if metric in ("perplexity", "likelihood_diff") else 0
            values = [item[metric] for item in items]
            np.testing.assert_allclose([row[metric] for row in ours], values, rtol=0, atol=tolerance)
    return expected


@pytest.mark.parametrize("family", ["gpt_neox", "opt"])
def test_the_library_by_itself_says_the_same_of_each_item(family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float32", tmp_path / "model", layers=2))
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, GLOBAL, 0.5, mask)
    files = [
        write_task(tmp_path, "choice", **CHOICE),
        write_task(tmp_path, "last_word", **LAST_WORD),
        write_task(tmp_path, "examples", **CHOICE, **FEWSHOT),
    ]
    tokenizer = load_tokenizer(manifest.folder)
    texts = [
        write_texts(
            prepare_own(file.stem, read_task_file(str(file)).config, tmp_path / "own", tokenizer),
            manifest,
            tmp_path / f"{file.stem}.parquet",
        )
        for file in files
    ]
    manager = TaskManager(include_defaults=False)
    expected = check_items(manifest, mask, texts, [str(file) for file in files], manager, tmp_path)
    assert {name: len(items) for name, items in expected.items()} == {file.stem: len(ITEMS) for file in files}
    assert {item["acc"] for items in expected.values() for item in items} == {0, 1}

    table = pq.read_table(tmp_path / "measures.parquet")
    better = {name: table.schema.field(name).metadata for name in ("acc", "acc_norm", "perplexity")}
    assert {about[b"better"] for about in better.values()} == {b"higher"}
    assert table["acc_norm"].null_count == table["task"].to_pylist().count("last_word")
    assert table.schema.names[:9] == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "task", "item"
    ]  # fmt: skip
    about = json.loads(pq.read_schema(texts[2]).metadata[b"task"])
    assert (about["items"], about["fewshot"], about["revision"]) == (len(ITEMS), 2, None)


KNOWN = {
    "lambada_openai": [{"text": f"the word was {word}"} for word in ("with", "ümlaut", "in")],
    "hellaswag": [
        {"activity_label": "Words", "ctx_a": "The word was [substeps] there.", "ctx_b": "and the",
         "endings": ["word", "words are", "a [title] b", "in"], "label": str(i)}
        for i in range(4)
    ],
    "winogrande": [
        {"sentence": f"The word was with them {i} times as _ was.", "option1": "the word", "option2": "it",
         "answer": str(1 + i % 2)}
        for i in range(4)
    ],
    "crows_pairs_english": [{"sent_more": "the word was", "sent_less": less} for less in ("in", "it was")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "place"), zip(KNOWN, ("lambada", "hellaswag", "winogrande", "crows_pairs"), strict=True)
)
def test_a_known_task_comes_from_the_hub_at_a_revision(name, place, hub, tmp_path, monkeypatch):
    """With the code of its own that the library has for it."""
    hub.point(monkeypatch, tmp_path / "home")
    manager = TaskManager(include_defaults=False, include_path=FOLDER / place)
    monkeypatch.setattr(module, "TaskManager", lambda: manager)
    config = manager.task_index[name].cfg
    split = config.get("test_split") or config["validation_split"]
    folder = tmp_path / "served/datasets" / config["dataset_path"]
    folder.mkdir(parents=True)
    lines = "".join(json.dumps(item) + "\n" for item in KNOWN[name])
    paths = ""
    for own in ("train", split):
        (folder / f"{own}.jsonl").write_text(lines)
        paths += f"  - split: {own}\n    path: {own}.jsonl\n"
    subset = config.get("dataset_name") or "default"
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: {subset}\n  data_files:\n{paths}---\n")
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2))
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, GLOBAL, 0.5, mask)
    table, about = prepare_named(name, load_tokenizer(manifest.folder))
    assert (about["dataset"], about["split"]) == (config["dataset_path"], split)
    assert about["items"] == len(KNOWN[name])
    assert about["revision"] == commit_of(folder)
    texts = write_texts((table, about), manifest, tmp_path / "task.parquet")
    check_items(manifest, mask, [texts], [name], manager, tmp_path)


def test_a_task_of_ones_own_on_the_hub_is_found_again_without_it(hub, tmp_path, monkeypatch):
    hub.point(monkeypatch, tmp_path / "home")
    folder = tmp_path / "served/datasets/owner/words"
    write_task(tmp_path, "mine", **CHOICE)
    folder.mkdir(parents=True)
    (tmp_path / "mine.jsonl").rename(folder / "test.jsonl")
    config = CHOICE | {"task": "mine", "dataset_path": "owner/words", "test_split": "test"}
    online, about = prepare_own("mine", config, tmp_path / "own", tiny_tokenizer())
    assert about["revision"] == commit_of(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert prepare_own("mine", config, tmp_path / "own", tiny_tokenizer()) == (online, about)


@pytest.mark.slow
def test_verse_cloze_is_above_chance_and_as_the_library_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    file = "resources/tasks/verse_cloze.yaml"
    manifest = resolve_model("tiny", ROOT / "resources/tiny-pythia/tiny-pythia-3.5m")
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, GLOBAL, 0.5, mask)
    prepared = prepare_own(
        "verse_cloze", read_task_file(file).config, tmp_path / "own", load_tokenizer(manifest.folder)
    )
    texts = write_texts(prepared, manifest, tmp_path / "verse_cloze.parquet")
    manager = TaskManager(include_defaults=False)
    expected = check_items(manifest, mask, [texts], [file], manager, tmp_path)["verse_cloze"]
    assert len(expected) == 120
    (tmp_path / "dense").mkdir()
    _, measures = measured(manifest, None, [texts], tmp_path / "dense")
    assert pq.read_table(measures)["acc"].to_numpy().mean() > 0.7


def test_verse_cloze_is_what_its_script_makes_of_mini_pile(capsys):
    runpy.run_path(str(ROOT / "resources/tasks/build_verse_cloze.py"), run_name="__main__")
    assert capsys.readouterr().out == (ROOT / "resources/tasks/verse_cloze.jsonl").read_text()


@pytest.mark.parametrize("beginning", [False, True], ids=["plain", "adds a beginning"])
def test_tokens_are_those_that_the_library_scores(beginning, tmp_path, monkeypatch):
    tokenizer = tiny_tokenizer()
    if beginning:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
    texts = [
        ("In the beginning", " was the word"),
        ("In the beginning  ", "was the word"),
        ("In the\n", "\n\nword"),
        ("", "the word"),
        ("", "<|endoftext|>the word"),
        ("<|endoftext|>In the", " word"),
        ("ünï ☃", "☃ ｗｏｒｄ"),
        ("wo", "rd, and the word"),
    ]
    requests = [Instance("loglikelihood", {}, pair, 0) for pair in texts]
    model = AutoModelForCausalLM.from_pretrained(tiny_model("gpt2", "float32", tmp_path / "model", layers=1))
    library = HFLM(pretrained=model, tokenizer=tokenizer, backend="causal")
    monkeypatch.setattr(
        library, "_loglikelihood_tokens", lambda requests, **kwargs: [request[1:] for request in requests]
    )
    found = request_tokens(requests, tokenizer)
    assert found == library.loglikelihood(requests, disable_tqdm=True)
    assert "".join(map(tokenizer.decode, found[1])).removeprefix("<|endoftext|>") == "".join(texts[1])
    assert tokenizer.decode(found[1][1]) == "  was the word"
    assert found[3] == ([0], tokenizer("the word", add_special_tokens=False).input_ids)
    with pytest.raises(ValueError, match="empty"):
        request_tokens([Instance("loglikelihood", {}, ("", ""), 0)], tokenizer)


BAD_FILES = [
    ({"doc_to_text": "!function utils.text"}, "which names Python code (!function); allowed: templates"),
    ({"output_type": "generate_until"}, "of output_type generate_until; allowed: loglikelihood, multi"),
    ({"output_type": "loglikelihood_rolling"}, "of output_type loglikelihood_rolling; allowed: log"),
    ({"unsafe_code": True}, "which runs code of its own; allowed: tasks of templates"),
    ({"dataset_kwargs": {"trust_remote_code": True}}, "which runs code of its own"),
    ({"doc_to_image": "picture"}, "which shows more than text; allowed: tasks of texts"),
    ({"group": "mine", "task": ["one", "two"]}, "which defines no single task; expected a key `task`"),
    ({"dataset_kwargs": {"data_files": "absent.jsonl"}}, "whose data file is absent.jsonl; no such file"),
    ({"dataset_path": "."}, "whose data set is a local folder; allowed: dataset_path arrow, csv,"),
    ({"dataset_path": "sql"}, "whose data set is 'sql'; allowed: dataset_path arrow, csv,"),
    ({"dataset_kwargs": {"cache_dir": "elsewhere"}}, "whose data set is a local folder; allowed: dataset_"),
    ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "allowed: names of metrics of lm-eval"),
    ({"metric_list": ["acc"]}, "whose metric is acc; allowed: names of metrics of lm-evaluation-harness"),
    ({"include": "absent.yaml"}, "absent.yaml; no such file"),
    ({"include": "bad.yaml"}, "which includes itself"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), BAD_FILES)
def test_a_file_that_cannot_be_served_is_one_line(changed, message, tmp_path):
    path = write_task(tmp_path, "bad", **CHOICE)
    path = write_task(tmp_path, "bad", **(CHOICE | changed))
    path.write_text(path.read_text().replace("'!function utils.text'", "!function utils.text"))
    with pytest.raises(UserError) as error:
        read_task_file(str(path))
    assert str(error.value).startswith("tasks: found ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


HURTING = "{{ cycler.__init__.__globals__.os.system('touch hurt') }}"


def test_a_template_cannot_reach_beyond_its_item(tmp_path, monkeypatch):
    """In the library's own environment it runs a shell."""
    monkeypatch.chdir(tmp_path)
    path = write_task(tmp_path, "hurting", **(CHOICE | {"doc_to_text": HURTING}))
    with pytest.raises(UserError, match=r"^tasks: found hurting, which cannot be loaded \(access to"):
        prepare_own("hurting", read_task_file(str(path)).config, tmp_path / "cache", tiny_tokenizer())
    assert not Path("hurt").exists()


@pytest.mark.parametrize("metric", ["evil", "./evil", "evil.py"])
def test_a_metric_of_others_is_not_looked_for(metric, tmp_path, monkeypatch):
    """The library would run the script of that name, from the Hub or this folder."""
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text("open('hurt', 'w')")
    asked = [{"metric": metric, "aggregation": "mean", "higher_is_better": True}]
    path = write_task(tmp_path, "hurting", **(CHOICE | {"metric_list": asked}))
    with pytest.raises(UserError, match=f"^tasks: found hurting, whose metric is {re.escape(metric)}; "):
        prepare_own("hurting", read_task_file(str(path)).config, tmp_path / "cache", tiny_tokenizer())
    forbid_code()
    assert task.get_metric(metric) is None
    assert task.get_metric("acc") is not None
    assert not Path("hurt").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("- a list", "which is no mapping"), ("task: [", "which cannot be read"), ("\xff", "cannot be read")],
)
def test_a_file_that_is_no_task_is_one_line(content, message, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=rf"^tasks: found {path}, .*{message}"):
        read_task_file(str(path))


def test_included_files_and_data_decide_a_task(tmp_path):
    outer = write_task(tmp_path, "outer", include="inner.yaml", num_fewshot=0)
    inner = write_task(tmp_path, "inner", **CHOICE, num_fewshot=3)
    found = read_task_file(str(outer))
    assert found.files == [str(outer), str(inner), *found.data]
    assert found.data == [str(tmp_path / "outer.jsonl")] * 2
    assert (found.config["num_fewshot"], found.config["doc_to_target"]) == (0, "gold")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lambada_opnai", "such task; nearest known: lambada_openai, "),
        ("lambada", r"a group of tasks; allowed: single ones: lambada_openai, lambada_standard$"),
        ("gsm8k", "of output_type generate_until; allowed: loglikelihood, multiple_choice"),
        ("tinyBenchmarks", "a group of tasks; allowed: single ones: .*, .*, .*, .*, .* and 1 more$"),
        ("lambada_openai", "neither here nor can the Hub be reached; prepare it on a machine with network"),
    ],
)
def test_a_name_that_cannot_be_served_is_one_line(name, message, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    folders = [FOLDER / own for own in ("lambada", "gsm8k", "tinyBenchmarks")]
    monkeypatch.setattr(
        module, "TaskManager", lambda: TaskManager(include_defaults=False, include_path=folders)
    )
    with pytest.raises(UserError, match=rf"^tasks: found {name}[,;] .*{message}"):
        prepare_named(name, tiny_tokenizer())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"doc_to_text": "{{question | absent}}"}, "which cannot be loaded (No filter named 'absent'"),
        ({"test_split": "other"}, "which cannot be loaded ("),
        ({"doc_to_choice": "{{answers if gold < 1 else ['', 'a']}}"}, "whose requests cannot be built ("),
    ],
)
def test_a_task_that_the_library_cannot_build_is_one_line(changed, message, tmp_path):
    file = write_task(tmp_path, "bad", **(CHOICE | {"target_delimiter": ""} | changed))
    with pytest.raises(UserError, match=rf"^tasks: found bad, {re.escape(message)}"):
        prepare_own("bad", read_task_file(str(file)).config, tmp_path / "own", tiny_tokenizer())


def test_a_text_longer_than_a_models_positions_is_one_line(tmp_path):
    manifest = resolve_model("short", tiny_model("gpt_neox", "float32", tmp_path / "model", layers=1))
    for words, fits in ((126, True), (127, False)):
        file = write_task(
            tmp_path, "long", **(LAST_WORD | {"doc_to_text": "x" * words, "doc_to_target": " yy"})
        )
        prepared = prepare_own(
            "long", read_task_file(str(file)).config, tmp_path / "own", load_tokenizer(manifest.folder)
        )
        texts = write_texts(prepared, manifest, tmp_path / "long.parquet")
        if fits:
            check_lengths(texts, [manifest])
    message = "tasks: found long, which has a text of 129 tokens, allowed at most the 128 positions of short"
    with pytest.raises(UserError, match=f"^{message}$"):
        check_lengths(texts, [manifest])


def test_measures_need_no_torch():
    code = (
        "import sys, memprune.metrics.tasks.task_items; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow_scripts", check=True)


def with_tasks(*tasks: str) -> Config:
    content = copy.deepcopy(EMBEDDED) | {"tasks": list(tasks)}
    return check(content, "my.yaml")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("absent.yaml", "found absent.yaml; no such file"),
        ("folder/task.yml", "found folder/task.yml; allowed: a task of lm-evaluation-harness, or a file"),
        ("mmlu_(general)", "found mmlu_(general); allowed: a task of lm-evaluation-harness, or a file"),
        ("../two words.yaml", "found ../two words.yaml; allowed: a task of lm-evaluation-harness, or a file"),
    ],
)
def test_names_and_files_are_looked_at_before_any_job(task, message):
    check_tasks(with_tasks("lambada_openai", "hellaswag"))
    with pytest.raises(UserError, match=f"^tasks: {re.escape(message)}"):
        check_tasks(with_tasks("lambada_openai", task))


def test_a_task_is_made_again_when_its_data_changes_whatever_its_time_says(tmp_path):
    file = write_task(tmp_path, "mine", **CHOICE)
    config, data = with_tasks(str(file), "hellaswag"), tmp_path / "mine.jsonl"
    before, times = params.task_contents(config, "mine"), data.stat()
    assert paths.task_files(config, "hellaswag") == []
    assert str(data) in paths.task_files(config, "mine")
    data.write_text(data.read_text().replace("them", "then"))
    os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert params.task_contents(config, "mine") != before
