"""Image sets: labelled uint8 images from digits, Imagenette, folders and npz files."""

from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.imagenette import prepare_imagenette
from hyperzoo.images.load import load_images, load_images_at, source_at

__all__ = ["ImageSet", "load_images", "load_images_at", "prepare_imagenette", "source_at"]
