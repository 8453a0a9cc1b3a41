"""Which files of a model folder make its tokenizer: names only, so that what starts a run may import it."""

# One of these holds the vocabulary.
VOCABULARY_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
    "spiece.model",
    "sentencepiece.bpe.model",
)
# All that can decide which ids a text becomes, or which tokens are special; patterns within the folder.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.*.json",  # for some versions of transformers
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "*.model",
    "*.tiktoken",
    "tekken.json",
)
