"""The Mixer, its faster step and timm's twin; the source document has them in a folder `cnn`."""
