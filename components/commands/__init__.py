"""The command line: each module is a command or a group of commands, assembled by `cli.py`."""
