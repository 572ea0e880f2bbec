"""What several tests of whitening share."""
