"""What commands share: configs and options, devices, checkpoints, files, records, training, prediction, scoring."""

__all__ = []
