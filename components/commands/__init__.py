"""The command line's parts: each module is a group of commands that `cli.py` puts together."""
