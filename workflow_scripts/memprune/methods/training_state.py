"""What training goes on from when it was killed: a file, written whole every so often."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import Parameter

from memprune.disk import UNREADABLE, written_whole

PAUSE = 60  # seconds from one time to the next, at least
SHARE = 20  # so many times as long as saving took, too: of large models it takes minutes
MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW, as torch names them
FILE = "training.safetensors"


def save(
    parameters: Mapping[str, Parameter],
    optimizer: torch.optim.Optimizer,
    losses: list[float],
    folder: Path,
) -> float:
    """Save weights, moments and the loss of each step; returns when to save next, as `time.monotonic`."""
    began = time.monotonic()
    tensors = {name: parameter.data for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        tensors |= {f"{name} {moment}": optimizer.state[parameter][moment] for moment in MOMENTS}
    with written_whole(folder / FILE) as temporary:
        save_file(tensors, temporary, {"losses": json.dumps(losses)})
    ended = time.monotonic()
    return ended + max(PAUSE, SHARE * (ended - began))


def restore(
    parameters: Mapping[str, Parameter], optimizer: torch.optim.Optimizer, folder: Path
) -> list[float]:
    """Restore what was saved into parameters and optimizer; returns the losses, none where nothing was saved.

    A file that cannot be read is passed over.
    """
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            losses = json.loads(file.metadata()["losses"])
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            if shapes != shapes_of(parameters):
                return []  # before anything is overwritten
            state = {}
            for number, (name, parameter) in enumerate(parameters.items()):
                parameter.data.copy_(file.get_tensor(name))
                moments = {moment: file.get_tensor(f"{name} {moment}") for moment in MOMENTS}
                state[number] = {"step": torch.tensor(float(len(losses))), **moments}
    except UNREADABLE:
        return []
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return losses


def shapes_of(parameters: Mapping[str, Parameter]) -> dict[str, list[int]]:
    """The shapes of all tensors that `save` writes, by their names."""
    kinds = ("", *(f" {moment}" for moment in MOMENTS))
    return {f"{name}{kind}": list(own.shape) for name, own in parameters.items() for kind in kinds}
