"""One optimizer step as forward and backward passes: cut by memory, smaller when it runs out, summed over processes.

The loss of a step is the mean over its labelled tokens, however it is cut and whichever process computes a part: each
pass divides by the count of the whole step, and gradients add up.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch

from model.device_errors import is_out_of_memory
from trainer.errors import MemoryShort
from trainer.training import distributed
from trainer.training.batches import cut
from trainer.training.likelihood import batches_by_length, completion_losses, has_plain_scores
from trainer.training.loss_scale import LossScale
from trainer.training.memory import Fit
from trainer.training.packed_passes import PackedPasses
from trainer.training.packing import PASS_TOKENS, pack, sizes_to_capture
from trainer.training.tokens import Collator, Example

__all__ = ["Passes", "pass_cost"]


def pass_cost(device: torch.device) -> int:
    """What one more pass costs in time, in tokens: unpacking all weights twice, and on a GPU starting the kernels."""
    return 1024 if device.type == "cuda" else 64


class Passes:
    """Computes gradients of training steps and the loss of the validation part.

    Attributes:
        fit: what goes into a pass at the moment; lowered for good when memory runs out.
    """

    def __init__(
        self,
        model: Any,
        examples: Sequence[Example],
        validation: Sequence[Example],
        rows: int,
        fit: Fit,
        *,
        pad_id: int,
        say: Callable[[str], None],
        packed: PackedPasses | None = None,
    ) -> None:
        self.fit = fit
        self._packed = packed
        trained = model if packed is None else packed.flat
        self._trained = [weight for weight in trained.parameters() if weight.requires_grad]
        self._scale = LossScale(model.dtype)
        self._model = model
        self._examples = examples
        self._validation = validation
        self._rows = rows
        self._say = say
        self._collate = Collator(pad_id)
        self._device = next(model.parameters()).device
        self._lengths = [len(example.ids) for example in examples]
        self._plain_scores = packed is None and has_plain_scores(model)
        if fit.checkpointing:
            self._recompute()

    def prepare(self, plan: Sequence[Sequence[int]]) -> None:
        """Capture the passes that come often in a plan, where passes can be captured."""
        if self._packed is None or self._device.type != "cuda":
            return
        try:
            self._packed.capture(sizes_to_capture(self._tokens(one) for step in plan for one in self._cut(step)))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._packed.forget()
            self._free()

    def backward(self, indices: Sequence[int]) -> torch.Tensor:
        """Add the gradients of one step to the weights; returns its mean loss in nats, the same on all processes."""
        if not self._model.training:
            self._model.train()
        labelled = sum(self._examples[index].labelled for index in indices)
        random_state = _random_state(self._device)
        while True:
            loss, too_large = self._try(self._cut(indices), labelled)
            if too_large is not None:
                self._shrink_passes(too_large)
            elif self._sum_gradients():
                break
            _set_random_state(self._device, random_state)
        return distributed.total(loss)[0].float()

    def _cut(self, indices: Sequence[int]) -> list[list[int]]:
        """This process's share of a step, in passes."""
        mine = sorted(indices, key=lambda index: self._lengths[index])[distributed.index() :: distributed.count()]
        if self._packed is not None:
            return pack(mine, self._lengths, rows=self._rows, tokens=min(self.fit.tokens, PASS_TOKENS))
        return cut(mine, self._lengths, rows=self._rows, tokens=self.fit.tokens, pass_cost=pass_cost(self._device))

    def _tokens(self, indices: Sequence[int]) -> int:
        return sum(self._lengths[index] for index in indices)

    def _sum_gradients(self) -> bool:
        """Add the gradients of all processes up; False where the step has to be computed again."""
        distributed.sum_gradients(self._trained)
        done = self._scale.undo([weight.grad for weight in self._trained if weight.grad is not None])
        if not done:
            self._forget_gradients()
        return done

    def _forget_gradients(self) -> None:
        for weight in self._trained:
            weight.grad = None

    def validation_loss(self, is_asked: Callable[[], bool]) -> float | None:
        """Mean loss over the validation tokens in nats; None when somebody asked to stop meanwhile."""
        self._model.eval()
        sums, counted = torch.zeros((), device=self._device), 0
        lengths = [len(example.ids) for example in self._validation]
        most = PASS_TOKENS if self._packed else max(2048, self.fit.tokens)
        waiting = list(batches_by_length(lengths, most))[distributed.index() :: distributed.count()]
        while waiting:
            if is_asked():
                return None
            indices = waiting.pop()
            try:
                losses = self._losses([self._validation[i] for i in indices])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or len(indices) == 1:
                    raise
                half = len(indices) // 2
                waiting += [indices[:half], indices[half:]]
                continue
            sums += losses.sum()
            counted += losses.numel()
        loss, tokens = distributed.total(sums, torch.tensor(float(counted), device=self._device))
        return (loss / tokens).item()

    def _losses(self, examples: Sequence[Example]) -> torch.Tensor:
        """The loss of each labelled token, without gradients."""
        if self._packed is not None:
            return self._packed.losses(examples)
        with torch.no_grad():
            return completion_losses(self._model, self._batch(examples), in_chunks=self._plain_scores)[0]

    def _backward(self, examples: Sequence[Example], labelled: int) -> torch.Tensor:
        """Add the gradients of one pass; returns its part of the step's mean loss."""
        scale = self._scale.value
        if self._packed is not None:
            return self._packed.backward(examples, scale / labelled) / scale
        losses, _ = completion_losses(self._model, self._batch(examples), in_chunks=self._plain_scores)
        loss = losses.sum() / labelled
        (loss * scale).backward()
        return loss.detach()

    def _try(self, passes: list[list[int]], labelled: int) -> tuple[torch.Tensor, list[int] | None]:
        """The loss of all passes, or the pass that did not fit. Nothing of a failed pass is held on to."""
        total = torch.zeros((), device=self._device)
        if self._packed is not None:
            self._packed.begin()
        for indices in passes:
            try:
                total += self._backward([self._examples[index] for index in indices], labelled)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                return total, indices
        return total, None

    def _shrink_passes(self, indices: list[int]) -> None:
        """Half as many tokens in a pass from now on; with one pair left, activations are computed again."""
        longest = max(self._lengths[index] for index in indices)
        rows = len(indices)
        if rows > 1:
            half = self._tokens(indices) // 2 if self._packed else longest * (rows // 2)
            self.fit = Fit(self.fit.checkpointing, max(longest, half))
            remedy = f"from now on at most {self.fit.tokens} at once; the step keeps its pairs"
        elif not self.fit.checkpointing:
            self.fit = Fit(checkpointing=True, tokens=longest)
            self._recompute()
            remedy = "from now on activations are computed again instead of kept"
        else:
            raise MemoryShort(longest)
        self._say(f"Memory ran out with {rows} x {longest} tokens in a pass: {remedy}")
        self._forget_gradients()
        if self._packed is not None:
            self._packed.forget()
        self._free()

    def _recompute(self) -> None:
        """Compute activations again from now on."""
        if self._packed is not None:
            self._packed.decoder.checkpointing = True
        else:
            self._model.activation_checkpointing_enable()

    def _free(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _batch(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        rows = [{"input_ids": list(example.ids), "labels": example.labels} for example in examples]
        return {name: tensor.to(self._device) for name, tensor in self._collate(rows).items()}


def _random_state(device: torch.device) -> torch.Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: torch.Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
