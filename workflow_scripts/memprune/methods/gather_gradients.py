"""The gradients of a variant's losses: on samples that a method is fitted to, and on other text.

The loss on samples is the mean over the tokens of their suffixes, each after the longest context, since these
are what is to be forgotten; that on other text is the mean over all tokens but each text's first.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from memprune.errors import UserError
from memprune.methods.trainable import add_gradients, load_trainable, take_device
from memprune.methods.training_memory import GRADIENT_BYTES, training_bytes
from memprune.models.manifest import Manifest
from memprune.variants.changes import write_tensors

FITTED, OTHERS = "fitted", "others"  # endings of tensors' names


def gather(
    manifest: Manifest,
    changes: Sequence[Path],
    fitted: tuple[np.ndarray, int],
    others: np.ndarray,
    device: str,
    threads: int,
    path: Path,
) -> None:
    """Write both gradients of each prunable matrix, NAME.fitted and NAME.others: float32, shaped as stored.

    `fitted` are samples × tokens (integers) and how many tokens of each are the suffix, `others` are
    texts × tokens. Each gradient is that of one mean, summed in float32 over batches; the device has the
    weights and one of the two. Raises UserError when the model does not fit the device, and for a gradient
    that is not finite.
    """
    what = f"models.{manifest.model}: gradients"
    samples, suffix = fitted
    longest = max(samples.shape[1], others.shape[1])
    needed = training_bytes(manifest.architecture, longest, GRADIENT_BYTES)
    trainable = load_trainable(manifest, changes, take_device(device, threads, needed, what))
    matrices = {matrix.name: trainable.parameters[matrix.name] for matrix in manifest.matrices}
    trainable.model.requires_grad_(False)
    for parameter in matrices.values():
        parameter.requires_grad_(True)

    def gradients() -> Iterator[tuple[str, np.ndarray]]:
        for kind, texts, scored in ((FITTED, samples, suffix), (OTHERS, others, others.shape[1] - 1)):
            trainable.model.zero_grad()
            with tqdm(desc=kind, total=len(texts), unit="text", mininterval=10, ascii=True, ncols=100) as bar:
                loss = add_gradients(trainable.model, texts, scored, bar.update)
            print(f"{kind}: loss {loss:.4f} of {len(texts) * scored} tokens", flush=True)
            for name, parameter in matrices.items():
                gradient = parameter.grad.cpu().numpy()
                if not np.isfinite(gradient).all():
                    raise UserError(f"{what}: found one of {name} that is not finite; expected finite ones")
                yield f"{name}.{kind}", gradient

    write_tensors(gradients(), path)
