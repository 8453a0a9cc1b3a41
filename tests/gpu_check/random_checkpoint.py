"""A checkpoint of a Pythia's shape with random weights, and random texts for it."""

from functools import cache

import numpy as np
from check_settings import Settings
from shapes import make_checkpoint
from tiny_models import manifest_of

from memprune.models.manifest import Manifest

STORED = "float16"


@cache
def random_checkpoint(settings: Settings) -> Manifest:
    """The checkpoint of the settings' shape, made when it is first asked for."""
    return manifest_of(make_checkpoint(settings.shape, STORED, settings.folder))


def random_texts(manifest: Manifest, texts: int, tokens: int) -> np.ndarray:
    """Texts of random tokens: int32, texts × tokens."""
    return np.random.default_rng(0).integers(0, manifest.vocabulary, (texts, tokens), dtype=np.int32)
