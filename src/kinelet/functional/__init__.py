"""The mathematics without state: losses and augmentations, tensors in, tensors out, randomness by generator."""

from kinelet.functional.attention import sparsemax
from kinelet.functional.augment import PRESETS, Compose, augmentations
from kinelet.functional.augment_amplitude import jitter, magnitude_warp, negate, scale
from kinelet.functional.augment_axes import rotate, shuffle_axes
from kinelet.functional.augment_mask import frequency_mask, time_mask
from kinelet.functional.augment_time import crop, crop_resize, permute, reverse, time_warp
from kinelet.functional.losses import info_nce, masked_mse, nt_xent
from kinelet.functional.motif import motif_distance, motif_rebuild
from kinelet.functional.paired import nearest_neighbour_nce, paired_nce
from kinelet.functional.ranking import relative_contrastive

__all__ = [
    "PRESETS",
    "Compose",
    "augmentations",
    "crop",
    "crop_resize",
    "frequency_mask",
    "info_nce",
    "jitter",
    "magnitude_warp",
    "masked_mse",
    "motif_distance",
    "motif_rebuild",
    "nearest_neighbour_nce",
    "negate",
    "nt_xent",
    "paired_nce",
    "permute",
    "relative_contrastive",
    "reverse",
    "rotate",
    "scale",
    "shuffle_axes",
    "sparsemax",
    "time_mask",
    "time_warp",
]
