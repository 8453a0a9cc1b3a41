"""The memory that differentiating a model takes, known from its architecture."""

from memprune.devices.footprint import layer_bytes
from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.roles import QUERY_KEY_NORMS

BATCH_TOKENS = 2048  # of texts that are differentiated at one time, one text at least
FLOAT = 4  # bytes
GRADIENT_BYTES = 2 * FLOAT  # a weight, and its gradient
FINETUNE_BYTES = 4 * FLOAT + 1  # with two moments, and whether it is held
# Numbers that are kept of a token in a layer for the way back, of each kind of size (more of the hidden size
# where branches have norms; features are all heads', more of them where queries and keys have a norm; squares
# where attention keeps them), and of its logits:
# measured of transformers' classes, of which GPT-2 comes closest and OPT has half.
HIDDEN, BRANCH_NORM, FEATURES, NORMED_FEATURES, INTERMEDIATE, SQUARES, LOGITS = 6, 3, 4, 4, 5, 2, 3


def training_bytes(architecture: Architecture, tokens: int, bytes_a_weight: int) -> int:
    """Bytes to differentiate a model in float32 on texts of `tokens` tokens each."""
    a = architecture
    has_head_norms = not set(QUERY_KEY_NORMS).isdisjoint(a.block_norms)
    features = (FEATURES + NORMED_FEATURES * has_head_norms) * a.heads * a.head_size
    squares = SQUARES * a.heads * tokens if FAMILIES[a.family].keeps_squares else 0
    hidden = (HIDDEN + BRANCH_NORM * len({"output_norm", "down_norm"} & set(a.block_norms))) * a.hidden
    kept = a.layers * (hidden + features + INTERMEDIATE * a.intermediate + squares)
    kept += LOGITS * a.vocabulary
    return sum(layer_bytes(a, bytes_a_weight)) + FLOAT * max(tokens, BATCH_TOKENS) * kept
