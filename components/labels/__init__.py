"""Zero-shot labels: each image's best label of a list, with a calibrated confidence."""
