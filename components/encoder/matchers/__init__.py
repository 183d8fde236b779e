"""The older matchers: a CNN + BiLSTM that scores pairs, and a DenseNet + LSTM with vectors."""
