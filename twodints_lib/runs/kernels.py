"""How a notebook's kernel is started by the library."""

from typing import Any


def config() -> Any:
    """Settings for whoever starts kernels, a traitlets Config.

    Without them every kernel warns that others on this machine could listen.
    """
    import zmq
    from traitlets.config import Config

    policy = "auto" if zmq.has("curve") else "disabled"
    return Config({"KernelManager": {"transport_encryption": policy}})
