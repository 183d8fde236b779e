"""The text branch that both older matchers share: word vectors, LSTM, the last states."""

import torch
from torch import Tensor, nn


class WordLstm(nn.Module):
    """Ids and mask (n, words) -> states (n, width): the last one, of both ways where it has two.

    Padding is not read: a row's vector does not depend on how long the batch's longest caption is.
    """

    def __init__(self, words: int, lstm: nn.LSTM, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, lstm.input_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.lstm = lstm  # batch_first

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last layer's last states."""
        # A caption of marks alone has no word: it is read as one padding.
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        embedded = self.dropout(self.embedding(ids[:, : int(lengths.max())]))
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        with torch.autocast(ids.device.type, enabled=False):  # a recurrence adds up bf16's errors
            _, (states, _) = self.lstm(_float32(packed))
        ways = 2 if self.lstm.bidirectional else 1
        return torch.cat(list(states[-ways:]), dim=1)


def _float32(packed: nn.utils.rnn.PackedSequence) -> nn.utils.rnn.PackedSequence:
    return packed._replace(data=packed.data.float())
