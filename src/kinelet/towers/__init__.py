"""Frozen towers: what turns sentences, skeletons, depth clips or anything else paired with motion into vectors."""

from kinelet.towers.registry import list_towers, open_tower, register_tower

__all__ = ["list_towers", "open_tower", "register_tower"]
