"""The text branch of both older matchers: word embeddings and an LSTM."""

import torch
from torch import Tensor, nn


class WordLstm(nn.Module):
    """Ids and mask (n, words) -> last states (n, width), of both directions where it has two.

    Padding is skipped, so a caption's vector does not depend on the other captions of its batch.
    """

    def __init__(self, words: int, lstm: nn.LSTM, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, lstm.input_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.lstm = lstm  # batch_first

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last layer's last states."""
        # A caption without words, such as "!!", is read as one padding token.
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        embedded = self.dropout(self.embedding(ids[:, : int(lengths.max())]))
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        with torch.autocast(
            ids.device.type, enabled=False
        ):  # bf16's rounding errors add up over the steps
            _, (states, _) = self.lstm(_float32(packed))
        directions = 2 if self.lstm.bidirectional else 1
        return torch.cat(list(states[-directions:]), dim=1)


def _float32(packed: nn.utils.rnn.PackedSequence) -> nn.utils.rnn.PackedSequence:
    return packed._replace(data=packed.data.float())
