"""What is wrong with a patch."""


class PatchError(ValueError):
    """The patch cannot be applied. ``unprocessable``: it is well-formed, but does not fit the object (422, not 400)."""

    def __init__(self, message: str, *, unprocessable: bool = False) -> None:
        super().__init__(message)
        self.unprocessable = unprocessable
