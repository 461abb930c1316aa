"""Gait of a walk from a wearable: targets from reference systems, step detection, and how well embeddings tell both."""
