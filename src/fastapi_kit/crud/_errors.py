"""What can be wrong with the description of a resource."""


class ResourceError(ValueError):
    """A `CRUDRouter` or an import was described in a way that cannot work; the message names the cure."""
