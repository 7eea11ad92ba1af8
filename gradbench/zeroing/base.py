"""What a zeroing, the fate of ``.grad`` between steps, gives to the measurement."""

from collections.abc import Callable, Sequence
from typing import Protocol

from torch.nn import Parameter


class Zeroing(Protocol):
    """What happens to ``.grad`` between steps."""

    @property
    def releases(self) -> bool:
        """Whether ``.grad`` is None afterwards, so that backward allocates it anew."""
        ...

    @property
    def accumulates(self) -> bool:
        """Whether the gradient survives, so that backward adds to it."""
        ...

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        """Bind to the parameters of one cell.

        Args:
            parameters: Whose gradients it treats.

        Returns:
            The call that does it once.
        """
        ...
