"""A model as transformers builds it from its configuration and tensors by name, on any device.

What transformers does to the tensors of files on the way (other names, experts stacked) it does here, too;
and on PyTorch's device `meta`, where nothing has values, it shows whether files and configuration fit.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

from memprune.errors import UserError, as_one_line
from memprune.models.read_outline import transformers_config
from memprune.models.weights import Tensor

META = torch.device("meta")


def check_files(folder: str | Path, tensors: Mapping[str, Tensor], matrices: list[str]) -> bool:
    """Whether the matrices of these names are input × output; raises UserError where all are not alike.

    Raises UserError, too, where transformers has no class for the configuration, and unless the tensors are
    all that it asks for, in its shapes, and no others.
    """
    state = {name: torch.empty(tensor.shape, device=META) for name, tensor in tensors.items()}
    modules = dict(build(folder, state, torch.float32, META).named_modules())
    kinds = {isinstance(modules.get(name.removesuffix(".weight")), Conv1D) for name in matrices}
    if len(kinds) > 1:
        raise UserError("matrices: found some that are input × output, and others; allowed: all alike")
    return kinds.pop()


def build(
    folder: str | Path, state: Mapping[str, object], dtype: torch.dtype, device: torch.device
) -> PreTrainedModel:
    """The model of a folder's configuration with the tensors of `state` by their names in its files.

    Instead of a tensor may stand what gives one when all of it is asked for: `state[name][...]`. Raises
    UserError as `check_files`.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = transformers_config(folder)
    try:
        with META:
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
        model, loaded = type(model).from_pretrained(
            None, config=model.config, state_dict=dict(state), dtype=dtype, device_map={"": device},
            output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a class of theirs makes of a configuration
        raise UserError(
            f"{folder}: transformers builds no causal language model: {as_one_line(error)}"
        ) from None
    for kind, names in loaded.items():
        if names:
            raise UserError(
                f"{folder}: {kind.replace('_', ' ')}: found {min(map(str, names))}, of {len(names)}; "
                "expected all tensors that config.json asks for, in its shapes, and no others"
            )
    return model.eval()
