"""What the library says while it works: through `logging`, printed in notebooks and at a prompt."""

import logging

log = logging.getLogger("twodints")


class _Printed(logging.Handler):
    """Prints to whatever sys.stdout is at that moment: a notebook's cell, a pipe, a test."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def show(quiet: bool = False) -> None:
    """Print the library's messages from now on; `quiet`: warnings alone, as all but the first of
    several processes do. Called again it changes nothing else."""
    if not any(isinstance(handler, _Printed) for handler in log.handlers):
        log.addHandler(_Printed())
        log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.INFO)
