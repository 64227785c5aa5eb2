"""Train only those rows of the token table that the captions use."""

from collections.abc import Sequence

import open_clip
import torch
from torch import Tensor, nn

from clipn.model.clipn import NoTextTower

ROWS = 512
"""Rows decayed at once; few enough to stay in the processor's cache."""


class SparseEmbedding:
    """Replaces a tower's token table by the rows in use.

    A row that no caption holds has gradient zero at every step, so its AdamW moments stay zero and only weight decay
    changes it: one factor per step. The factors are applied when the whole table is asked for. On the CPU the result is
    the same to the bit; CUDA's AdamW rounds otherwise.

    Args:
        tower: its `token_embedding` is replaced.
        tokens: all tokens that training will meet.
    """

    def __init__(self, tower: NoTextTower | open_clip.CLIP, tokens: Tensor) -> None:
        table = tower.token_embedding.weight
        # In main memory, so that on a GPU the rows in use take room and not the whole table.
        self._whole: Tensor = table.detach().cpu().clone()
        self._ids: Tensor = tokens.unique().long().cpu()
        self._decayed = 0
        self._tower = tower
        unused = torch.ones(len(table), dtype=torch.bool)
        unused[self._ids] = False
        self._unused = unused.nonzero().flatten()
        tower.token_embedding = nn.Embedding.from_pretrained(table.detach()[self._ids.to(table.device)], freeze=False)

    def compact(self, tokens: Tensor) -> Tensor:
        """Tokens as rows of the small table; the end token stays the highest."""
        # `_ids` is sorted, so tokens keep their order and the tower still finds the end token as the highest.
        return torch.searchsorted(self._ids, tokens)

    def rows_of(self, table: Tensor) -> Tensor:
        """The rows in use of a whole `table` (vocabulary, width)."""
        return table[self._ids]

    def table(self, factors: Sequence[float]) -> Tensor:
        """The whole table (vocabulary, width) after steps whose weight decay multiplied by `factors`, in order."""
        for rows in self._unused.split(ROWS):
            part = self._whole[rows]
            # One by one, as AdamW does it at every step: the product of all factors would round otherwise.
            for factor in factors[self._decayed :]:
                part.mul_(factor)
            self._whole[rows] = part
        self._decayed = len(factors)
        self._whole[self._ids] = self._tower.token_embedding.weight.detach().cpu()
        return self._whole
