"""What the networks of recall share: histories as tensors, encoders, losses, negatives."""
