"""Tokenizers as people have them: lm-evaluation-harness's windows and perplexity, transformers' ids."""

import json
import re
import runpy
import shutil
import sys
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import mkdtemp

import pyarrow.parquet as pq
import pytest
import torch
from conftest import FAMILIES, VOCABULARY, reference_model, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import weighted_perplexity
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto import tokenization_auto

from memprune.documents import Document
from memprune.errors import UserError
from memprune.manifest import write_manifest
from memprune.models import resolve_model
from memprune.pruned_model import load_pruned
from memprune.samples import draw, draw_samples, draw_windows
from memprune.scoring import score_perplexity
from memprune.tokenization import load_tokenizer, prefix_token, tokenizer_fingerprint
from memprune.tokenizer_checks import check_tokenizer_files, surely_no_prefix_token
from memprune.tokenizer_files import TOKENIZER_FILES, VOCABULARY_FILES

CPU = torch.device("cpu")
SCRIPT = Path(__file__).parents[1] / "workflow_scripts/draw_samples.py"
TEXT = "In the beginning was the word, and the word was with them."
FORMS = ("bytes", "words", "pieces")
SPECIAL = {
    "one token begins and ends": {"bos_token": "<s>", "eos_token": "<s>"},
    "two tokens": {"bos_token": "<s>", "eos_token": "</s>"},
    "no beginning": {"eos_token": "</s>"},
    "no end": {"bos_token": "<s>"},
}
ADDED = ("nothing", "beginning", "both")
STORED = {
    "truncation": {"direction": "Right", "max_length": 7, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        "strategy": {"Fixed": 48}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 1,
        "pad_type_id": 0, "pad_token": "</s>",
    },
}  # fmt: skip
CHUNKS = [*"ab \n\t—ü\u3000😀", "the", " word", "In", "<s>", "</s>", "<unk>"]
texts = st.lists(st.sampled_from(CHUNKS), max_size=60).map("".join)


@cache  # training by the EM algorithm is not the same twice
def new_backend(form: str) -> Tokenizer:
    """A tokenizer with `VOCABULARY` entries at most: BPE of bytes, whole words, or Unigram's pieces."""
    special = ["<s>", "</s>", "<unk>"]
    if form == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    elif form == "words":
        tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=VOCABULARY, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    return tokenizer


def lay_out(folder: Path, form: str, special: dict, added: str = "nothing", stored=()) -> Path:
    """Save a tokenizer with these special tokens, which it adds by itself, and with what training left."""
    backend = Tokenizer.from_str(new_backend(form).to_str())
    begins, ends = special.get("bos_token", "</s>"), special.get("eos_token", "<s>")
    template = {"nothing": "$A", "beginning": f"{begins} $A", "both": f"{begins} $A {ends}"}[added]
    ids = [(token, backend.token_to_id(token)) for token in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    edit(folder / "tokenizer.json", **{name: STORED[name] for name in stored})
    return folder


def edit(path: Path, **changes) -> None:
    """Change values in a file of JSON; None removes a key."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None or k not in changes}))


@cache
def folder_of(*choices) -> Path:
    form, special, *others = choices
    return lay_out(Path(mkdtemp()), form, SPECIAL[special], *others)


@cache
def reference() -> HFLM:
    """lm-evaluation-harness around a tiny model."""
    folder = tiny_model("gpt_neox", "float32", Path(mkdtemp()), layers=2)
    model = reference_model(folder, None, "float32")
    model.folder = folder
    return HFLM(pretrained=model, tokenizer=load_tokenizer(folder), batch_size=2, add_bos_token=False)


def rolling_windows(tokenizer, contents: list[str], window: int) -> list[tuple[list[int], int]]:
    """The windows that lm-evaluation-harness scores, each with how many of its tokens are scored."""
    harness, found = reference(), []

    def record(requests, **_):
        found.extend((context + scored, len(scored)) for _, context, scored in requests)
        return [(0.0, True)] * len(requests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "tokenizer", tokenizer)
        patch.setattr(harness, "_max_length", window)
        patch.setattr(harness, "_loglikelihood_tokens", record)
        harness.loglikelihood_rolling(
            [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(contents)],
            disable_tqdm=True,
        )
    return found


def as_documents(contents: list[str]) -> list[Document]:
    return [Document(str(i), "all", text, None) for i, text in enumerate(contents)]


@given(
    form=st.sampled_from(FORMS),
    special=st.sampled_from(sorted(SPECIAL)),
    added=st.sampled_from(ADDED),
    stored=st.sampled_from([(), ("truncation",), ("padding",), ("truncation", "padding")]),
    contents=st.lists(texts.filter(str.strip), min_size=1, max_size=3, unique=True),
    window=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_windows_and_samples_are_those_of_others(form, special, added, stored, contents, window):
    tokenizer = load_tokenizer(folder_of(form, special, added, stored))
    plain = AutoTokenizer.from_pretrained(folder_of(form, special))
    expected = rolling_windows(plain, contents, window)
    if expected:
        rows = draw_windows(as_documents(contents), tokenizer, window, len(expected)).to_pylist()
        assert [(row["tokens"], row["scored"]) for row in rows] == expected
        whole = [text for text in contents if plain(text, add_special_tokens=False).input_ids]
        assert sum(row["bytes"] for row in rows) == sum(len(text.encode()) for text in whole)
        assert sum(row["words"] for row in rows) == sum(len(re.split(r"\s+", text)) for text in whole)
    # A sample is transformers' ids without what the tokenizer adds.
    for document in as_documents(contents):
        ids = plain(document.text, add_special_tokens=False).input_ids
        if ids:
            assert draw_samples([document], tokenizer, len(ids), 1, 0, "member")["tokens"].to_pylist() == [
                ids
            ]


@pytest.mark.parametrize("added", ["nothing", "beginning"])
@pytest.mark.parametrize("special", SPECIAL)
def test_word_and_byte_perplexity_are_lm_evaluation_harness(special, added):
    harness, window = reference(), 24
    folder = folder_of("bytes", special, added)
    tokenizer = load_tokenizer(folder)
    # No text repeats itself: the harness takes two windows of the same tokens for one.
    contents = [" ".join(f"{TEXT}\n\n{number**3}" for number in range(4)), " x — ü ", "Blessed are the meek"]
    requests = [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(contents)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "tokenizer", AutoTokenizer.from_pretrained(folder))
        patch.setattr(harness, "_max_length", window)
        log_likelihood = sum(harness.loglikelihood_rolling(requests, disable_tqdm=True))
    count = sum(-(-len(tokenizer(text, add_special_tokens=False).input_ids) // window) for text in contents)
    windows = draw_windows(as_documents(contents), tokenizer, window, count)
    model = load_pruned(resolve_model("tiny", harness.model.folder), None, torch.float32, CPU)
    tokens = [torch.tensor(row).numpy() for row in windows["tokens"].to_pylist()]
    nll = score_perplexity(model, tokens, windows["scored"].to_numpy(), 100).sum()
    for column, unit in (("words", lambda text: re.split(r"\s+", text)), ("bytes", str.encode)):
        units = sum(len(unit(text)) for text in contents)
        assert sum(windows[column].to_pylist()) == units
        ours = weighted_perplexity([(-nll, units)])
        assert ours == pytest.approx(weighted_perplexity([(log_likelihood, units)]), rel=1e-4)


@pytest.mark.parametrize(("form", "special"), product(FORMS, SPECIAL))
def test_the_fingerprint_is_of_what_decides_ids(form, special, tmp_path):
    first = lay_out(tmp_path / "first", form, SPECIAL[special])
    found = tokenizer_fingerprint(load_tokenizer(first))
    for number, stored in enumerate([("truncation",), ("padding",), ("truncation", "padding")]):
        other = lay_out(tmp_path / str(number), form, SPECIAL[special], stored=stored)
        assert tokenizer_fingerprint(load_tokenizer(other)) == found
    edit(first / "tokenizer_config.json", model_max_length=512, chat_template="{{ messages }}")
    assert tokenizer_fingerprint(load_tokenizer(first)) == found
    changed = {"<s>": "</s>", "</s>": "<s>"}
    key = "bos_token" if "bos_token" in SPECIAL[special] else "eos_token"
    edit(first / "tokenizer_config.json", **{key: changed[SPECIAL[special][key]]})
    assert prefix_token(load_tokenizer(first)) == AutoTokenizer.from_pretrained(first).convert_tokens_to_ids(
        changed[SPECIAL[special][key]]
    )
    assert tokenizer_fingerprint(load_tokenizer(first)) != found


def several_files(folder: Path) -> Path:
    """A GPT-2 tokenizer as a vocabulary, merges, added and special tokens, each in a file of its own."""
    folder.mkdir()
    backend = json.loads(new_backend("bytes").to_str())
    (folder / "vocab.json").write_text(json.dumps(backend["model"]["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in backend["model"]["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    (folder / "added_tokens.json").write_text(json.dumps({"<new>": len(backend["model"]["vocab"])}))
    return folder


def swap(path: Path, one: str, other: str) -> None:
    path.write_text(path.read_text().replace(one, "\0").replace(other, one).replace("\0", other))


EDITS = {
    "vocabulary": lambda folder: swap(folder / "vocab.json", '"a"', '"b"'),
    "merges": lambda folder: (folder / "merges.txt").write_text("#version: 0.2\nt h\n"),
    "added": lambda folder: swap(folder / "added_tokens.json", "<new>", "word"),
    "beginning": lambda folder: edit(folder / "special_tokens_map.json", bos_token="</s>"),
    "prefix space": lambda folder: edit(folder / "tokenizer_config.json", add_prefix_space=True),
    "split": lambda folder: edit(folder / "tokenizer_config.json", split_special_tokens=True),
    "template": lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
    "length": lambda folder: edit(folder / "tokenizer_config.json", model_max_length=9),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_fingerprint_or_no_id(name, tmp_path):
    folder = several_files(tmp_path / "tokenizer")

    def seen() -> list:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encoded = tokenizer([TEXT, "a <s> b <new>", "the word"], add_special_tokens=False)
        return [encoded.input_ids, tokenizer.bos_token_id]

    ids, found = seen(), tokenizer_fingerprint(load_tokenizer(folder))
    EDITS[name](folder)
    changed = seen() != ids
    assert changed == (name not in ("template", "length"))
    assert (tokenizer_fingerprint(load_tokenizer(folder)) != found) == changed


def test_random_segmentation_is_off(tmp_path):
    folder = lay_out(tmp_path, "bytes", SPECIAL["two tokens"])
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    plain = load_tokenizer(folder)(TEXT).input_ids
    edit(folder / "tokenizer.json", model=model | {"dropout": 0.5})
    tokenizer = load_tokenizer(folder)
    assert all(tokenizer(TEXT).input_ids == plain for _ in range(10))


@pytest.mark.slow  # it imports them all
def test_all_files_of_fast_tokenizers_are_known():
    beside = {"entity_vocab.json", "normalizer.json"}  # of what is no language model of texts
    for name in sorted(set(filter(None, tokenization_auto.TOKENIZER_MAPPING_NAMES.values()))):
        found = tokenization_auto.tokenizer_class_from_name(name)
        if isinstance(found, type) and issubclass(found, PreTrainedTokenizerFast):
            files = {file for file in found.vocab_files_names.values() if file} - beside
            assert all(any(Path(file).match(p) for p in TOKENIZER_FILES) for file in files), (name, files)
            assert files & set(VOCABULARY_FILES), (name, files)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", "{", "tokenizer.json: not JSON: Expecting property name"),
        ("tokenizer.json", "[]", "tokenizer.json: found list, expected a JSON object"),
        ("tokenizer.json", "{}", "tokenizer.json: not a tokenizer ("),
        ("tokenizer.json", POINTER, "tokenizer.json: found a Git LFS pointer"),
        ("tokenizer.json", None, "no tokenizer; looked for: tokenizer.json, tokenizer.model"),
        ("tokenizer.json", b"\xff\xfe", "tokenizer.json: not JSON: 'utf-8' codec can't decode"),
        ("tokenizer_config.json", "3", "tokenizer_config.json: found int, expected a JSON object"),
        ("tokenizer_config.json", "[" * 10**5, "tokenizer_config.json: not JSON: "),
        ("tokenizer_config.json", POINTER, "tokenizer_config.json: found a Git LFS pointer"),
        ("tokenizer_config.json", '{"bos_token": 3}', "its tokenizer cannot be loaded ("),
        ("tokenizer_config.json", '{"tokenizer_class": 3}', "its tokenizer cannot be loaded ("),
        ("tokenizer_config.json", '{"tokenizer_class": "ByT5Tokenizer"}', "found a slow tokenizer"),
        ("merges.txt", POINTER, "merges.txt: found a Git LFS pointer"),
        (
            "tokenizer_config.json",
            '{"auto_map": {"AutoTokenizer": [null, "own.Own"]}, "tokenizer_class": "Own"}',
            "its tokenizer cannot be loaded (",
        ),
    ],
)
def test_a_broken_file_is_one_line(file, content, message, tmp_path):
    folder = lay_out(tmp_path / "tokenizer", "bytes", SPECIAL["two tokens"])
    if content is None:
        (folder / file).unlink()
    elif isinstance(content, bytes):
        (folder / file).write_bytes(content)
    else:
        (folder / file).write_text(content)
    with pytest.raises(UserError) as caught:
        load_tokenizer(folder)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


def test_code_beside_a_tokenizer_never_runs_and_nobody_is_asked(tmp_path, monkeypatch):
    folder = lay_out(tmp_path / "tokenizer", "bytes", SPECIAL["two tokens"])
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    edit(
        folder / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": [None, "own.Own"]}
    )
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(UserError, match=r"its tokenizer cannot be loaded \(.*custom code"):
        load_tokenizer(folder)
    assert not (tmp_path / "ran").exists()


def test_ids_may_be_greater_than_their_number(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path, layers=2)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"].append(content["added_tokens"][0] | {"content": "<far>", "id": VOCABULARY})
    content["model"]["vocab"]["<far>"] = VOCABULARY
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert len(load_tokenizer(folder)) <= VOCABULARY
    with pytest.raises(UserError, match=f"the tokenizer has {VOCABULARY + 1} tokens, the model's embedding"):
        resolve_model("tiny", folder)


def test_a_model_of_pieces_without_its_package_is_one_line(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x05pieces" * 9)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(UserError, match=r"^\S+: its tokenizer cannot be loaded \(") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_vocabulary_that_the_class_does_not_read_is_one_line(tmp_path):
    folder = several_files(tmp_path / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    (folder / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"its tokenizer has no vocabulary; expected a tokenizer\.json"):
        load_tokenizer(folder)


def test_a_tokenizer_without_beginning_and_end_is_one_line(tmp_path):
    folder = lay_out(tmp_path / "tokenizer", "bytes", {})
    expected = "found neither bos_token nor eos_token; one of them begins the perplexity windows"
    with pytest.raises(UserError, match=expected):
        load_tokenizer(folder)
    (folder / "config.json").write_text('{"model_type": "gpt_neox"}')
    with pytest.raises(UserError, match=expected):
        check_tokenizer_files(folder)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "named", ["PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer", "GPTNeoXTokenizerFast", None]
)
def test_what_the_files_show_before_a_run_is_so(family, named, tmp_path):
    folder = lay_out(tmp_path, "bytes", {})
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    edit(folder / "tokenizer_config.json", tokenizer_class=named)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    neither = tokenizer.bos_token_id is None and tokenizer.eos_token_id is None
    assert surely_no_prefix_token(folder) <= neither
    if named in ("PreTrainedTokenizerFast", "TokenizersBackend"):
        assert surely_no_prefix_token(folder)
    (folder / "special_tokens_map.json").write_text('{"eos_token": {"content": "</s>"}}')
    assert not surely_no_prefix_token(folder)


def run_draw(folder: Path, corpus: dict, files: list[Path], output: Path) -> None:
    """Run draw_samples.py in this process, with a store beside its output."""
    spec = {
        "kind": "member", "split": "train", "corpus": corpus, "seed": 0, "part": 0, "parts": 1, "window": 9,
        "offset": None, "count": 5, "balance_duplicates": False,
    }  # fmt: skip
    manifest = folder.parent / "manifest.json"
    if not manifest.exists():
        write_manifest(resolve_model("tiny", folder), manifest)
    arguments = ["--spec", json.dumps(spec), "--files", *files, "--manifest", manifest, "--output", output]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMPRUNE_STORE", str(output.parent / "store"))
        patch.setattr(sys, "argv", list(map(str, [SCRIPT, *arguments])))
        runpy.run_path(str(SCRIPT), run_name="__main__")


def write_texts(path: Path, first: int) -> None:
    path.write_text("".join(json.dumps({"text": f"{TEXT} {first + i}"}) + "\n" for i in range(9)))


def changed_tokenizer(patch, folder: Path, corpus: Path) -> None:
    shutil.copy(folder_of("bytes", "two tokens") / "tokenizer.json", folder)


def changed_corpus(patch, folder: Path, corpus: Path) -> None:
    def draw_and_overwrite(*arguments):
        write_texts(corpus, 100)
        return draw(*arguments)

    patch.setattr("memprune.samples.draw", draw_and_overwrite)


def removed_corpus(patch, folder: Path, corpus: Path) -> None:
    corpus.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (changed_tokenizer, "model: the tokenizer's files changed since the model was described; run again"),
        (changed_corpus, "a.jsonl: changed while it was read; run again"),
        (removed_corpus, "a.jsonl: cannot be read (No such file or directory)"),
    ],
)
def test_what_changes_after_it_was_looked_at_is_not_stored(spoil, message, tmp_path, capsys, monkeypatch):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    file, output = tmp_path / "a.jsonl", tmp_path / "draw.parquet"
    write_texts(file, 0)
    corpus = {"source": "files", "train": [str(file)]}
    run_draw(folder, corpus, [file], tmp_path / "before.parquet")
    write_texts(file, 10)  # a draw that the store does not have
    spoil(monkeypatch, folder, file)
    with pytest.raises(SystemExit):
        run_draw(folder, corpus, [file], output)
    assert message in capsys.readouterr().err
    assert not output.exists()
    assert len(list((tmp_path / "store/draw").iterdir())) == 1


def test_a_file_that_comes_to_another_split_is_drawn_from(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    data = tmp_path / "data"
    data.mkdir()
    write_texts(data / "a-train.jsonl", 0)
    write_texts(data / "b-test.jsonl", 10)
    splits = {split: split for split in ("train", "test", "validation")}
    corpus = {"source": "hub", "dataset": str(data), "revision": "main", "text": "text", **splits}
    drawn = []
    for name in ("b-test.jsonl", "b-train.jsonl"):
        (data / "b-test.jsonl").rename(data / name)
        output = tmp_path / f"{name}.parquet"
        run_draw(folder, corpus | {"shuffle_buffer": 99}, sorted(data.iterdir()), output)
        drawn.append({place.split(":")[1] for place in pq.read_table(output)["document"].to_pylist()})
    assert drawn == [{"0"}, {"0", "1"}]
