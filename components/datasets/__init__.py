"""Tables of images with captions: reading, pairing, evaluating."""
