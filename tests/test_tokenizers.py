"""Tokenizers as people have them: lm-evaluation-harness's windows and perplexity, transformers' ids."""

import json
import re
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import reference_model, tiny_model
from tokenizer_folders import ADDED, FORMS, SPECIAL, TEXT, edit, folder_of, lay_out, several_files
from transformers import AutoTokenizer

from memprune.corpus.documents import Document
from memprune.corpus.draw_samples import draw_samples, draw_windows
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer, prefix_token, tokenizer_fingerprint
from memprune.scoring.forced_pass import score_windows
from memprune.scoring.variant_model import load_variant

CPU = torch.device("cpu")
CHUNKS = [*"ab \n\t—ü\u3000😀", "the", " word", "In", "<s>", "</s>", "<unk>"]
texts = st.lists(st.sampled_from(CHUNKS), max_size=60).map("".join)


@cache
def reference():
    """lm-evaluation-harness around a tiny model."""
    from lm_eval.models.huggingface import HFLM  # late, here and below: other processes do not need it

    folder = tiny_model("gpt_neox", "float32", Path(mkdtemp()), layers=2)
    model = reference_model(folder, None, "float32")
    model.folder = folder
    return HFLM(pretrained=model, tokenizer=load_tokenizer(folder), batch_size=2, add_bos_token=False)


def rolling_requests(contents: list[str]) -> list:
    """What asks lm-evaluation-harness for the log-likelihoods of whole texts."""
    from lm_eval.api.instance import Instance

    return [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(contents)]


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
        harness.loglikelihood_rolling(rolling_requests(contents), disable_tqdm=True)
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
    from lm_eval.api.metrics import weighted_perplexity

    harness, window = reference(), 24
    folder = folder_of("bytes", special, added)
    tokenizer = load_tokenizer(folder)
    # No text repeats itself: the harness takes two windows of the same tokens for one.
    contents = [" ".join(f"{TEXT}\n\n{number**3}" for number in range(4)), " x — ü ", "Blessed are the meek"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "tokenizer", AutoTokenizer.from_pretrained(folder))
        patch.setattr(harness, "_max_length", window)
        log_likelihood = sum(harness.loglikelihood_rolling(rolling_requests(contents), disable_tqdm=True))
    count = sum(-(-len(tokenizer(text, add_special_tokens=False).input_ids) // window) for text in contents)
    windows = draw_windows(as_documents(contents), tokenizer, window, count)
    model = load_variant(resolve_model("tiny", harness.model.folder), (), torch.float32, CPU)
    tokens = [torch.tensor(row).numpy() for row in windows["tokens"].to_pylist()]
    nll = -sum(values.sum() for values in score_windows(model, tokens, windows["scored"].to_numpy(), 100))
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
