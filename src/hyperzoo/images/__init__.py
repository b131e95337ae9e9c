"""Image sets: labelled uint8 images from digits, Imagenette, folders and npz files."""

from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.imagenette import prepare_imagenette
from hyperzoo.images.load import load_images

__all__ = ["ImageSet", "load_images", "prepare_imagenette"]
