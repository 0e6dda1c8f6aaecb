"""The factor that keeps an fp16 training's gradients in the range of fp16 (Micikevicius et al., arXiv:1710.03740).

Gradients are computed of the loss times the factor and divided by it afterwards. Where they overflowed, the step is
computed again with a smaller one, so that no step is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer.errors import TrainingDiverged
from trainer.training import distributed

__all__ = ["LossScale"]

_FIRST, _LEAST, _MOST = 2.0**16, 2.0**-8, 2.0**24
_STEPS = 200
"""Steps without an overflow after which a factor twice as large is tried."""


class LossScale:
    """`value` is what the loss is multiplied by: always 1 but in fp16."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._used = dtype == torch.float16
        self.value = _FIRST if self._used else 1.0
        self._good = 0

    def undo(self, gradients: Sequence[torch.Tensor]) -> bool:
        """Divide the gradients of a step by the factor; False where the step has to be computed again.

        Raises:
            TrainingDiverged: no factor helps.
        """
        if not self._used:
            return True
        finite = torch.stack([gradient.isfinite().all() for gradient in gradients]).all().item()
        if distributed.any_of(not finite)[0]:
            self._good, self.value = 0, self.value / 4
            if self.value < _LEAST:
                raise TrainingDiverged
            return False
        torch._foreach_div_(list(gradients), self.value)
        self._good += 1
        if self._good % _STEPS == 0:
            self.value = min(_MOST, 2 * self.value)
        return True
