"""Apple Watch and iPhone CSV exports."""


def is_apple_header(line: str) -> bool:
    """Whether a CSV header has the names that Core Motion loggers write."""
    return "motionUserAccelerationX" in line or "accelerometerAccelerationX" in line
