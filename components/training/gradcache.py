"""GradCache: contrastive batches of any size in the memory of one part.

Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup". The loss
depends on the weights only through the parts' vectors. So all vectors are computed without
gradients, the loss gives the gradient of each vector, and each part is run again to pass it on.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
Forward = Callable[[Part], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


def gradients(parts: Sequence[Part], forward: Forward[Part], loss: Loss) -> float:
    """Leave the gradients of ``loss`` over all ``parts`` in the parameters; return the loss.

    ``forward`` returns a part's unit vectors of images and texts, (n, width) each; a part's dropout
    is the same both times. The gradients equal those of the whole batch in one pass.
    """
    if len(parts) == 1:
        value = loss(*forward(parts[0]))
        value.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return value.item()
    seed = int(torch.randint(2**31, ()))
    with torch.no_grad():
        vectors = [_seeded(seed + i, forward, part) for i, part in enumerate(parts)]
    images, texts = (
        torch.cat(each).float().requires_grad_() for each in zip(*vectors, strict=True)
    )
    value = loss(images, texts)
    value.backward()  # type: ignore[no-untyped-call] # torch's own hole
    assert images.grad is not None  # noqa: S101 - for the type checker: backward has just run
    assert texts.grad is not None  # noqa: S101
    sizes = [len(each) for each, _ in vectors]
    cached = zip(torch.split(images.grad, sizes), torch.split(texts.grad, sizes), strict=True)
    for i, (part, grads) in enumerate(zip(parts, cached, strict=True)):
        torch.autograd.backward(_seeded(seed + i, forward, part), grads)
    return value.item()


def _seeded(seed: int, forward: Forward[Part], part: Part) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return forward(part)
