"""The mathematics without state: losses and augmentations, tensors in, tensors out, randomness by generator."""

from kinelet.functional.attention import sparsemax
from kinelet.functional.augment import PRESETS, Compose, augmentations
from kinelet.functional.augment_amplitude import jitter, magnitude_warp, negate, scale
from kinelet.functional.augment_axes import rotate, shuffle_axes
from kinelet.functional.augment_mask import frequency_mask, time_mask
from kinelet.functional.augment_spectrum import phase_shift
from kinelet.functional.augment_time import crop, crop_resize, permute, reverse, time_warp
from kinelet.functional.information import (
    critic_accuracy,
    density_ratio_bce,
    density_ratio_logits,
    mean_valid,
    nce_information,
    smile_information,
)
from kinelet.functional.losses import info_nce, masked_mse, nt_xent
from kinelet.functional.masked_patches import masked_patch_mse
from kinelet.functional.masking import hide_patches
from kinelet.functional.motif import motif_distance, motif_rebuild
from kinelet.functional.paired import nearest_neighbour_nce, paired_nce
from kinelet.functional.ranking import relative_contrastive
from kinelet.functional.sequences import instance_contrast, orthogonality, temporal_hinge
from kinelet.functional.shared_private import (
    private_information,
    shared_distance,
    shared_reduced,
    shared_three_variable,
)

__all__ = [
    "PRESETS",
    "Compose",
    "augmentations",
    "critic_accuracy",
    "crop",
    "crop_resize",
    "density_ratio_bce",
    "density_ratio_logits",
    "frequency_mask",
    "hide_patches",
    "info_nce",
    "instance_contrast",
    "jitter",
    "magnitude_warp",
    "masked_mse",
    "masked_patch_mse",
    "mean_valid",
    "motif_distance",
    "motif_rebuild",
    "nce_information",
    "nearest_neighbour_nce",
    "negate",
    "nt_xent",
    "orthogonality",
    "paired_nce",
    "permute",
    "phase_shift",
    "private_information",
    "relative_contrastive",
    "reverse",
    "rotate",
    "scale",
    "shared_distance",
    "shared_reduced",
    "shared_three_variable",
    "shuffle_axes",
    "smile_information",
    "sparsemax",
    "temporal_hinge",
    "time_mask",
    "time_warp",
]
