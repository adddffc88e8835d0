"""What can be wrong with a resource's description."""


class ResourceError(ValueError):
    """A `CRUDRouter` was described in a way that cannot work; the message names the cure."""
