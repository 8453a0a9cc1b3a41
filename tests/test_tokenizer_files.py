"""A tokenizer's files: all of them known, and one line for each that is broken or of no use."""

import json
from pathlib import Path

import pytest
from conftest import FAMILIES
from tiny_models import VOCABULARY, tiny_model
from tokenizer_folders import SPECIAL, edit, lay_out, several_files
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto import tokenization_auto

from memprune.errors import UserError
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.models.tokenizer_checks import check_tokenizer_files, surely_no_prefix_token
from memprune.models.tokenizer_files import TOKENIZER_FILES, VOCABULARY_FILES


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
