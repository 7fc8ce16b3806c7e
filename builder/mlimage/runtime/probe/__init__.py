"""The numeric probe: operations on exact inputs, judged by their truth, and held against another machine."""
