"""What runs in the image and is not of it, handed over as text: the standard library, Python 3.8 or later."""
