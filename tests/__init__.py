"""Tests; a package of its own, so that none of the same name that a library brings along takes its place."""
