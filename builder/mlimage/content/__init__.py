"""Locked inputs to files: wheels, debs, the application, bytecode."""
