"""Golden records: what chosen requests give, stage by stage, so that another machine can be held against it.

Needs no library: a verdict must be had where NumPy is what is broken.
"""
