"""Tokenizers of several forms as folders on disk, with special tokens and what training leaves."""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tiny_models import VOCABULARY
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

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
