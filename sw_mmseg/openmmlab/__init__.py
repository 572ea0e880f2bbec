"""The seam to OpenMMLab: every change to foreign code."""
