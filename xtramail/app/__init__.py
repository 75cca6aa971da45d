"""Composition root, settings, commands and the twistd service: the only place that knows every layer."""
