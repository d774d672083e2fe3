"""The exercises themselves: a module for each notebook, under its name without the number."""
