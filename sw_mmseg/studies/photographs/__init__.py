"""What adaptation gains on photographs: the small network from drawn streets to CamVid, and from day to dusk."""

__all__ = []
