"""The Azure environment that `runner convert` uses, as a Pulumi program."""
