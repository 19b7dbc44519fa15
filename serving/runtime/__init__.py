"""The processes: loading, warming up, swapping in what is new, several workers."""
