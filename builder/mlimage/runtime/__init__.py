"""What runs inside the image. Standard library only; imports nothing of the rest of mlimage."""
