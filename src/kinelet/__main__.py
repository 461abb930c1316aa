"""``python -m kinelet``, for which ``torchrun -m kinelet`` is one use."""

from kinelet.cli import main

if __name__ == "__main__":
    main()
