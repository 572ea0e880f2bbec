"""The names of the two domains: labelled images to learn from, and images of where the network is to work."""

__all__ = ['DOMAINS']

DOMAINS = ('source', 'target')
