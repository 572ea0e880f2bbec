"""Tests of the documentation: the site, its links, and what guides tell to type."""
