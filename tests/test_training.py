"""The suite's training: what is seen, how often, in which order, and that it learns."""

import numpy as np
import pytest
import torch

from memprune.embedded import train_suite
from memprune.embedded.build_mini_pile import MiniPileDocument
from memprune.embedded.train_suite import (
    Recipe,
    Size,
    as_blocks,
    learning_rate_share,
    train_model,
    unigram_perplexity,
)

SIZE = Size("tiny", hidden=32, layers=1, heads=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def documents() -> list[MiniPileDocument]:
    return [
        MiniPileDocument(
            f"d{i}", "A", f"Chapter {i}: " + "in the beginning was the word " * (i + 1), split, n
        )
        for i, (split, n) in enumerate([("train", 1), ("train", 4), ("validation", 1), ("train", 2)])
    ]


@pytest.fixture(scope="module")
def tokenizer(documents):
    return train_suite.train_tokenizer([d.text for d in documents])


def test_the_tokenizer_keeps_every_byte(tokenizer):
    text = "Fünf\r\n\t 日本 😀 \x00"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == 0


def test_every_training_document_is_seen_as_often_as_it_is_repeated(documents, tokenizer):
    stream = train_suite.training_stream(documents, tokenizer)
    seen = tokenizer.decode(stream).split(train_suite.END_OF_TEXT)
    assert seen.pop() == ""
    assert {d.text: seen.count(d.text) for d in documents} == {
        d.text: d.duplicates if d.split == "train" else 0 for d in documents
    }
    np.testing.assert_array_equal(stream, train_suite.training_stream(documents[::-1], tokenizer))


def test_the_learning_rate_warms_up_and_decays():
    recipe = Recipe(warmup_steps=10, final_share=0.1)
    shares = [learning_rate_share(step, 100, recipe) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == 1.0 == shares[10]
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_unigram_perplexity_of_uniform_tokens_is_their_number():
    tokens = np.tile(np.arange(train_suite.VOCABULARY), 50)
    assert unigram_perplexity(tokens, tokens) == pytest.approx(train_suite.VOCABULARY)


def test_training_learns_a_repeated_block_the_same_way_each_time(tmp_path):
    recipe = Recipe(block=32, warmup_steps=5)
    generator = torch.Generator().manual_seed(0)
    block = torch.randint(0, train_suite.VOCABULARY, (1, 32), generator=generator)
    train = as_blocks(block.repeat(60, 1).numpy().reshape(-1), recipe.block)
    [first] = train_model(SIZE, recipe, train, block, tmp_path / "one")
    [second] = train_model(SIZE, recipe, train, block, tmp_path / "two")
    assert first["loss"] < 1 < np.log(train_suite.VOCABULARY)
    assert first["validation_loss"] == second["validation_loss"]
    files = [tmp_path / run / "model.safetensors" for run in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
