"""Augmentation of images, one by one and in whole batches."""
