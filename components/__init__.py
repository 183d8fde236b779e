"""CaptionLens without a screen: everything that pages and the command line are made of."""
