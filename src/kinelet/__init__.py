"""kinelet."""
