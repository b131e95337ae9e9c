"""Image sets: labelled uint8 images from folders, files of data sets, npz files and the Hub."""

from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.imagenette import prepare_imagenette
from hyperzoo.images.load import load_images, load_images_at, source_at

__all__ = ["ImageSet", "load_images", "load_images_at", "prepare_imagenette", "source_at"]
