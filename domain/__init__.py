"""The language of collections, pure: no input, no output, no clock."""
