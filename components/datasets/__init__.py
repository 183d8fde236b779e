"""Tables of pictures with captions: reading, pairing, evaluating."""
