"""A training under way: the model, its optimizer, and how many steps it has taken."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipn.model.checkpoint import TRAINING
from clipn.model.clipn import CLIPN
from clipn.training.distributed import ProcessGroup
from clipn.training.gradient import LOSSES, Batch, backward
from clipn.training.history import DivergedError, StepLog
from clipn.training.optimizer import LARGEST_LOGIT_SCALE, adamw, set_learning_rate
from clipn.training.settings import Variant
from clipn.training.sparse_embedding import SparseEmbedding

TABLE = "no.token_embedding.weight"
SMALLEST_SCALE = 1.0
"""The scaler halves its factor at every overflow; below this, gradients overflow although nothing scales them up."""
OPTIMIZER, HISTORY, DECAY = f"{TRAINING}optimizer.", f"{TRAINING}history", f"{TRAINING}decay"


class Trainer:
    """Trains a model step by step; its state after a step can be saved and restored to the bit.

    Args:
        model: on its device; its "no" tower is trained, and its temperature if the settings say so.
        tokens: all tokens (samples, length) that training will meet; None if they are not known beforehand.
        settings: the variant.
        group: the processes that share each batch.
        device: of the model.

    Attributes:
        done: steps taken.
        log: the losses of each.
    """

    def __init__(
        self, model: CLIPN, tokens: Tensor | None, settings: Variant, group: ProcessGroup, device: str
    ) -> None:
        self.model = model
        self.settings = settings
        self.group = group
        self.device = device
        self.done = 0
        self.log = StepLog(LOSSES)
        # Replaces a parameter, so it comes before the optimizer, which takes the parameters that are there.
        self._embedding = None if tokens is None else SparseEmbedding(model.no, tokens)
        self._decay: list[float] = []
        if settings.temperature == "fixed":
            model.clip.logit_scale.data.fill_(LARGEST_LOGIT_SCALE)
        model.clip.logit_scale.requires_grad_(settings.temperature == "learnable")
        model.no.train()
        trained = ((name, value) for name, value in model.named_parameters() if value.requires_grad)
        self._optimizer = adamw(trained, settings)
        self._scaler = torch.amp.GradScaler(torch.device(device).type, enabled=settings.precision == "fp16")

    def advance(self, batch: Batch, epoch: int, rate: float) -> dict[str, float]:
        """Take one step at learning rate `rate`; returns the losses by name.

        Raises:
            DivergedError: a loss is NaN or infinite, or fp16 gradients overflow though they are not scaled up; the
                model is as it was before the step.
        """
        if self._embedding is not None:
            batch = batch._replace(tokens=self._embedding.compact(batch.tokens))
        self._optimizer.zero_grad(set_to_none=True)
        losses = backward(self.model, batch, self.settings, self.group, self._scaler, self.device).tolist()
        # Raises before the optimizer's step, which could not be undone.
        self.log.add(self.done, epoch, losses, rate)
        set_learning_rate(self._optimizer, rate)
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._scaler.get_scale() >= scale:  # else the scaler met an overflow and left the step out
            self._decay.append(1 - rate * self.settings.weight_decay)
        elif self._scaler.get_scale() < SMALLEST_SCALE:
            raise DivergedError(
                f"training diverged at step {self.done} (gradients are not finite); lower `learning_rate`"
            )
        with torch.no_grad():
            self.model.clip.logit_scale.clamp_(0, LARGEST_LOGIT_SCALE)
        self.done += 1
        return dict(zip(LOSSES, losses, strict=True))

    def require_finite(self) -> None:
        """Refuse a model that is not worth keeping.

        Raises:
            DivergedError: a trained parameter holds NaN or infinity.
        """
        for name, value in self.model.named_parameters():
            if value.requires_grad and not torch.isfinite(value).all():
                raise DivergedError(f"training diverged before step {self.done} ({name}); lower `learning_rate`")

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the model, the whole token table among them."""
        tensors = dict(self.model.state_dict())
        if self._embedding is not None:
            tensors[TABLE] = self._embedding.table(self._decay)
        return tensors

    def progress(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `restore` needs beside `tensors`: tensors, and values that fit into JSON."""
        moments = {
            f"{OPTIMIZER}{number}.{name}": value
            for number, state in self._optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        # Python's floats are float64; anything shorter would change digits of the log and of the token table.
        history = torch.tensor(self.log.rows, dtype=torch.float64)
        decay = torch.tensor(self._decay, dtype=torch.float64)
        return {**moments, HISTORY: history, DECAY: decay}, {"done": self.done, "scaler": self._scaler.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Take over the state of a trainer that gave `tensors` (of model and progress) and `values`."""
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING)}
        if self._embedding is not None:
            own[TABLE] = self._embedding.rows_of(own[TABLE])
        self.model.load_state_dict(own)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(OPTIMIZER):
                number, name = key.removeprefix(OPTIMIZER).split(".")
                state.setdefault(int(number), {})[name] = value
        # Groups are not stored: they follow from the settings, which are the same where a state is found.
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._scaler.load_state_dict(values["scaler"])
        self.log = StepLog(LOSSES, tensors[HISTORY].tolist())
        self._decay = tensors[DECAY].tolist()
        self.done = values["done"]
