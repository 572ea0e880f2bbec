"""Two folders of a user, labelled and unlabelled images, to an adapted network and its report."""

__all__ = []
