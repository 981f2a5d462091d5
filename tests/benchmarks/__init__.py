"""What speed and memory are, beside what a user would otherwise use: `make bench`."""
