"""Judging encoders on people they have never seen."""
