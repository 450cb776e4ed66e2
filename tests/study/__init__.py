"""The study of late gradients: `make study STAGE=a`, then b and c, then tables."""
